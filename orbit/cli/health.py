"""``orbit health``: whether the server of a configuration is up, for health checks of containers."""

from __future__ import annotations

import sys

import click

from orbit.cli.shared.options import config_option


@click.command()
@click.option("--ready", is_flag=True, help="Ask whether it can answer, not only whether it lives.")
@config_option
def health(config_path: str | None, *, ready: bool) -> None:
    """Ask the server on this machine whether it is up. Exits with 1 if not.

    It finds the port, HTTPS and the certificate in the configuration. Needs neither a key nor the admin token. A wrong
    setting in the file does not matter while the server runs by an earlier one.
    """
    import httpx

    from orbit.cli.shared.address import trust_of, url_of
    from orbit.config.load import read_config
    from orbit.errors import ConfigError
    from orbit.serving.sole_server import address_of_server

    config, problems = read_config(config_path)
    if problems and not address_of_server(config.data_dir):
        raise ConfigError(problems)
    url = url_of(config)
    try:
        response = httpx.get(f"{url}/health/{'ready' if ready else 'live'}", timeout=5, verify=trust_of(config))
    except httpx.HTTPError as error:
        click.echo(f"{url} cannot be reached: {error or type(error).__name__}", err=True)
        sys.exit(1)
    click.echo(f"{url} answers {response.status_code}.")
    sys.exit(0 if response.is_success else 1)
