"""``orbit token``: the admin token."""

from __future__ import annotations

import click

from orbit.cli.shared.options import config_option


@click.group()
def token() -> None:
    """Show or rotate the admin token."""


@token.command()
@config_option
def show(config_path: str | None) -> None:
    """Print the admin token of this machine's configuration."""
    from orbit.auth.admin_token import read_token
    from orbit.config import load_config

    found = read_token(load_config(config_path))
    if found is None:
        raise click.ClickException("there is no admin token yet; the first start of the server makes it.")
    click.echo(found)


@token.command()
@config_option
def rotate(config_path: str | None) -> None:
    """Replace the admin token and print the new one.

    A running server on this machine takes it with the next request, and all sign-ins end. Servers on other machines
    that share the token need it from you.
    """
    from orbit.auth.admin_token import rotate_token
    from orbit.config import load_config

    click.echo(rotate_token(load_config(config_path)))
