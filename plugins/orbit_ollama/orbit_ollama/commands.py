"""``orbit ollama models`` and ``orbit ollama pull``."""

import asyncio

import click

from orbit import ProviderError
from orbit_ollama.client import Client, InstalledModel, model_names
from orbit_ollama.pulling import follow
from orbit_ollama.settings import OllamaSettings


def add_commands(group: click.Group, settings: OllamaSettings) -> None:
    """Add the commands to ``orbit ollama``; they ask the servers of ``settings``."""

    @group.command()
    def models() -> None:
        """List the models that each server has; the configured ones are marked."""
        failed = False
        for url in settings.urls:
            click.echo(url)
            try:
                installed = asyncio.run(_installed(url, settings))
            except ProviderError as error:
                click.echo(f"  {error.message}", err=True)
                failed = True
                continue
            for line in _table(installed, settings):
                click.echo(f"  {line}")
        if failed:
            raise click.exceptions.Exit(1)

    @group.command()
    @click.argument("names", metavar="[MODEL]...", nargs=-1)
    def pull(names: tuple[str, ...]) -> None:
        """Download models to each server: the named ones, or those of the configuration that are missing."""
        for url in settings.urls:
            try:
                asyncio.run(_pull(url, settings, names))
            except ProviderError as error:
                raise click.ClickException(error.message) from error


async def _installed(url: str, settings: OllamaSettings) -> list[InstalledModel]:
    client = Client.open(url, settings)
    try:
        return await client.models()
    finally:
        await client.close()


async def _pull(url: str, settings: OllamaSettings, names: tuple[str, ...]) -> None:
    client = Client.open(url, settings)
    try:
        if not names:
            present = model_names(await client.models())
            wanted = dict.fromkeys((settings.model, settings.embed_model))
            names = tuple(name for name in wanted if name and name not in present)
        for name in names:
            await follow(name, url, client.pull(name))
            click.echo(f"{url} has {name}")
        if not names:
            click.echo(f"{url} has all models of the configuration")
    finally:
        await client.close()


def _table(installed: list[InstalledModel], settings: OllamaSettings) -> list[str]:
    """Return one line for each model, then one for each configured model that is missing."""
    if not installed:
        return ["no models"]
    width = max(len(model.name) for model in installed)
    uses = {settings.model: "model", settings.embed_model: "embed_model"}
    lines = []
    for model in sorted(installed, key=lambda model: model.name):
        use = uses.get(model.name) or uses.get(model.name.removesuffix(":latest"), "")
        kind = f"{model.parameters:>8} {model.quantization:<8}"
        lines.append(f"{model.name:<{width}} {model.size / 1e9:6.1f} GB {kind} {use}".rstrip())
    names = model_names(installed)
    lines += [f"missing: {name}; ollama pull {name}" for name in uses if name and name not in names]
    return lines
