"""``orbit check``: the problems of a configuration, found without starting or connecting to anything."""

from __future__ import annotations

import click

from orbit.cli.shared.options import config_option


@click.command()
@config_option
@click.option("--traceback", is_flag=True, help="Show the traceback of plugins that failed to import.")
def check(config_path: str | None, *, traceback: bool) -> None:
    """Check the configuration and the settings of every enabled plugin. Exits with 1 if anything is wrong."""
    from orbit.errors import ConfigError
    from orbit.host.host import OrbitHost
    from orbit.sanitize import printable
    from orbit.serving.config_problems import serving_problems
    from orbit.serving.tls import outdated_certificate
    from orbit.web.key_warnings import key_problems

    host = OrbitHost.from_file(config_path)
    if traceback:
        show_tracebacks(host)
    problems = [*host.problems, *serving_problems(host.config)]
    problems += key_problems(host) if not problems else []
    if problems:
        raise ConfigError(problems)
    if host.config.warning:
        click.echo(f"Warning: {printable(host.config.warning)}")
    outdated = outdated_certificate(host.config.host.general.https)
    for notice in (*host.notices, *filter(None, [outdated])):
        click.echo(f"Note: {printable(notice)}")
    for item in host.registry.loaded:
        for sentence in item.provider.remarks() if item.provider else ():
            click.echo(f"Note: {item.section.path}: {printable(sentence)}")
    enabled = ", ".join(host.registry.names())
    click.echo(f"{host.config.source} is valid. Enabled: {enabled}.")
    click.echo(f"Data folder: {host.data_dir.absolute()}")
    if host.chat_log is not None:
        click.echo(f"Chat log: {host.chat_log.parent}")


def show_tracebacks(host: object) -> None:
    """Print the traceback behind each plugin that could not be imported or made."""
    import traceback as module

    from orbit.host.host import OrbitHost

    assert isinstance(host, OrbitHost)
    for item in host.registry.loaded:
        if item.error is not None:
            click.echo("".join(module.format_exception(item.error)), err=True)
