"""``orbit plugin``: the skeleton of a new plugin."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click


@click.group()
def plugin() -> None:
    """Write a plugin of your own. `orbit plugins` lists those that are installed."""


@plugin.command()
@click.argument("name")
@click.option(
    "--hooks", required=True, metavar="HOOK,...", help="Hooks to implement, such as generate or retrieve,log."
)
@click.option("--path", type=click.Path(path_type=Path), metavar="FOLDER", help="Where to write it. Default: here.")
def new(name: str, hooks: str, path: Path | None) -> None:
    """Write a working package for a plugin NAME, with settings, tests and a README.

    NAME will be the plugin's section in the configuration. Each hook does something small and useful; replace it.
    Hooks: generate, embed, retrieve, index, rerank, moderate, fetch, read, tools, log, register_routes,
    register_commands.
    """
    from orbit.cli import COMMANDS
    from orbit.scaffold import Package, problems_of, write_package

    chosen = tuple(dict.fromkeys(hook.strip() for hook in hooks.split(",") if hook.strip()))
    package = Package(name, chosen)
    folder = (path or Path()) / package.distribution
    problems = list(problems_of(name, chosen, folder, list(COMMANDS)))
    if find_spec("jinja2") is None:
        problems.append('The templates need Jinja. Install it with: pip install "orbit-inference[testing]"')
    if problems:
        raise click.ClickException("\n".join(problems))
    shown = folder if folder.is_absolute() else f"./{folder}"  # pip would look for a bare name on an index
    for file in write_package(package, folder):
        click.echo(f"  {file}")
    click.echo(
        f"\nThe plugin '{name}' is in {folder}. It works as it is:\n"
        f"\n  pip install -e '{shown}[test]'"
        f"\n  orbit serve --config {folder}/config.yaml"
        f'\n  orbit chat --temporary-key --config {folder}/config.yaml "What is a plugin?"    # in another terminal\n'
        f"\nIts tests: cd {folder} && python -m pytest && mypy"
    )
