"""``orbit ollama models`` and ``orbit ollama pull``."""

import asyncio

import click

from orbit import ProviderError
from orbit.sanitize import printable
from orbit.upstreams import Address, listed_name
from orbit_ollama.client import Client, InstalledModel
from orbit_ollama.pulling import follow
from orbit_ollama.settings import OllamaSettings


def add_commands(group: click.Group, settings: OllamaSettings) -> None:
    """Add the commands to ``orbit ollama``, for the servers in ``settings``."""

    @group.command()
    def models() -> None:
        """List the models on each server, and mark those in the configuration."""
        failed = False
        for address in settings.addresses:
            click.echo(str(address))
            try:
                installed = asyncio.run(_installed(address, settings))
            except ProviderError as error:
                click.echo(f"  {printable(error.message)}", err=True)
                failed = True
                continue
            for line in _table(installed, settings):
                click.echo(f"  {printable(line)}")
        if failed:
            raise click.exceptions.Exit(1)

    @group.command()
    @click.argument("names", metavar="[MODEL]...", nargs=-1)
    def pull(names: tuple[str, ...]) -> None:
        """Download models to each server: the named ones, or all missing ones of the configuration."""
        for address in settings.addresses:
            try:
                asyncio.run(_pull(address, settings, names))
            except ProviderError as error:
                raise click.ClickException(error.message) from error


async def _installed(address: Address, settings: OllamaSettings) -> list[InstalledModel]:
    client = Client.open(address, settings)
    try:
        return await client.models()
    finally:
        await client.close()


async def _pull(address: Address, settings: OllamaSettings, names: tuple[str, ...]) -> None:
    client = Client.open(address, settings)
    try:
        if not names:
            present = [model.name for model in await client.models()]
            wanted = dict.fromkeys((settings.model, settings.embed_model))
            names = tuple(name for name in wanted if name and not listed_name(name, present))
        for name in names:
            await follow(name, client.url, client.pull(name))
            click.echo(f"{address} has {name}")
        if not names:
            click.echo(f"{address} has all models of the configuration")
    finally:
        await client.close()


def _table(installed: list[InstalledModel], settings: OllamaSettings) -> list[str]:
    """Return one line per model, then one per missing model of the configuration."""
    if not installed:
        return ["no models"]
    width = max(len(model.name) for model in installed)
    uses = {settings.model: "model", settings.embed_model: "embed_model"}
    lines = []
    for model in sorted(installed, key=lambda model: model.name):
        use = next((use for name, use in uses.items() if name and listed_name(name, [model.name])), "")
        kind = f"{model.parameters:>8} {model.quantization:<8}"
        lines.append(f"{model.name:<{width}} {model.size / 1e9:6.1f} GB {kind} {use}".rstrip())
    names = [model.name for model in installed]
    lines += [f"missing: {name}; ollama pull {name}" for name in uses if name and not listed_name(name, names)]
    return lines
