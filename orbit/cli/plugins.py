"""``orbit plugins``: the installed plugins and their state, or the details of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orbit.cli.check import show_tracebacks
from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.printing import print_json
from orbit.sanitize import printable

if TYPE_CHECKING:
    from orbit.config.model import Config
    from orbit.host.plugins.describe import Description


@click.group(invoke_without_command=True)
@config_option
@json_option
@click.option("--traceback", is_flag=True, help="Show the traceback of plugins that failed to import.")
@click.pass_context
def plugins(ctx: click.Context, config_path: str | None, *, as_json: bool, traceback: bool) -> None:
    """List installed plugins with their version, state and hooks.

    Only enabled plugins are imported, so only their hooks are known.
    """
    if ctx.invoked_subcommand is not None:
        return
    from orbit.host.host import OrbitHost
    from orbit.host.overview import overview

    host = OrbitHost.from_file(config_path)
    if traceback:
        show_tracebacks(host)
    rows = overview(host)
    if as_json:
        print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("PLUGIN", "INSTANCE", "VERSION", "STATE", "HOOKS OR REASON"):
        table.add_column(title, overflow="fold")
    for row in rows:
        hooks = (*row.hooks, *(f"{hook} (wrapped)" for hook in row.wraps))
        cells = (row.plugin, row.instance, row.version, row.state, row.reason or ", ".join(hooks))
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console().print(table)


@plugins.command()
@click.argument("name")
@config_option
@json_option
@click.option("--markdown", is_flag=True, help="Print the settings as a Markdown table, for a README.")
@click.option("--traceback", is_flag=True, help="Show the traceback if the plugin fails to import.")
def show(name: str, config_path: str | None, *, as_json: bool, markdown: bool, traceback: bool) -> None:
    """Show version, hooks, settings and health of one plugin or instance.

    NAME may be any installed plugin, enabled or not; the command imports it. The health comes from the running
    server, if there is one.
    """
    import msgspec

    from orbit.host.host import OrbitHost
    from orbit.host.plugins.describe import describe
    from orbit.host.plugins.discover import installed_plugins

    given = click.get_current_context().parent
    config_path = config_path or (given.params["config_path"] if given is not None else None)
    host = OrbitHost.from_file(config_path)
    loaded = {item.section.name: item for item in host.registry.loaded}
    try:
        described, kind, error = describe(name, loaded, installed_plugins(), host.registry.failed)
    except LookupError as unknown:
        raise click.ClickException(str(unknown)) from unknown
    if traceback and error is not None:
        import traceback as module

        click.echo("".join(module.format_exception(error)), err=True)
    if markdown:
        from orbit.host.settings_table import markdown_table

        if kind is None:
            raise click.ClickException(described.reason)
        click.echo(markdown_table(kind.Settings), nl=False)
        return
    if described.instance:
        described = msgspec.structs.replace(described, health=_health(host.config, described.instance))
    if as_json:
        print_json(described)
    else:
        _print(described)


def _print(described: Description) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    facts = {
        "plugin": f"{described.plugin} ({described.target})",
        "instance": described.instance,
        "state": described.state,
        "reason": described.reason,
        "about": described.summary,
        "version": f"{described.version} of {described.distribution}",
        "plugin API": "" if described.api is None else str(described.api),
        "hooks": ", ".join(described.hooks),
        "wraps": ", ".join(described.wraps),
        "source": described.source,
        "health": described.health,
        "deprecated": " ".join(described.deprecations),
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for title, text in facts.items():
        if text:
            table.add_row(title, Text(printable(text)))
    console.print(table)
    if not described.settings:
        return
    settings = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("SETTING", "TYPE", "DEFAULT", "DESCRIPTION"):
        settings.add_column(title, overflow="fold")
    for item in described.settings:
        default = "required" if item.default is None else item.default
        settings.add_row(*map(Text, (item.name, item.type.replace("`", ""), default, item.description)))
    console.print()
    console.print(settings)


def _health(config: Config, instance: str) -> str:
    """Return the health that the running server reports; empty if none answers or the admin token is unknown."""
    from orbit.cli.shared.running import ask

    found = ask(config, "/health", dict)
    try:
        health = found["components"][instance] if found is not None else None
    except (KeyError, TypeError):
        return ""
    if health is None:
        return ""
    detail = health.get("detail")
    return f"{health['status']}: {detail}" if detail else str(health["status"])
