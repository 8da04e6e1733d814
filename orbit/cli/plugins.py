"""``orbit plugins``: what is installed, what is enabled, what failed and why."""

from __future__ import annotations

import click

from orbit.cli.check import show_tracebacks
from orbit.cli.options import config_option, json_option


@click.command()
@config_option
@json_option
@click.option("--traceback", is_flag=True, help="Show the traceback of plugins that failed to import.")
def plugins(config_path: str | None, *, as_json: bool, traceback: bool) -> None:
    """List installed plugins: version, whether the configuration enables them, the hooks they implement.

    Only enabled plugins are imported, so only their hooks are known.
    """
    import msgspec

    from orbit.host import OrbitHost
    from orbit.overview import overview

    host = OrbitHost.from_file(config_path)
    if traceback:
        show_tracebacks(host)
    rows = overview(host)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("PLUGIN", "INSTANCE", "VERSION", "STATE", "HOOKS OR REASON"):
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(row.plugin, row.instance, row.version, row.state, row.reason or ", ".join(row.hooks))
    Console().print(table)
