"""``orbit llamacpp pull`` and ``orbit llamacpp info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text
from ruamel.yaml.error import YAMLError

from orbit.sanitize import printable
from orbit_llamacpp.config_file import write_settings
from orbit_llamacpp.gguf import Array, Header
from orbit_llamacpp.hub import HubError, RemoteFile, fetch, list_files, target
from orbit_llamacpp.memory import estimate, memory_available
from orbit_llamacpp.model_file import ModelFileError, inspect, locate, part_names
from orbit_llamacpp.settings import LlamaCppSettings
from orbit_llamacpp.template_check import template_facts

_FOLDER = click.Path(path_type=Path, file_okay=False)
_FILE = click.Path(path_type=Path, dir_okay=False)


def add_commands(group: click.Group, settings: LlamaCppSettings, section: str, default_config: str) -> None:
    """Add the plugin's commands to ``orbit llamacpp``. ``default_config`` is the content of a new config.yaml."""
    group.add_command(_pull(settings, section, default_config))
    group.add_command(_info(settings))


def _pull(settings: LlamaCppSettings, section: str, default_config: str) -> click.Command:
    @click.command()
    @click.option("--repo-id", required=True, metavar="OWNER/NAME", help="Repository on the Hugging Face hub.")
    @click.option("--filename", metavar="FILE", help="The GGUF file to download; required if there are several.")
    @click.option("--list-files", "only_list", is_flag=True, help="List the GGUF files without downloading any.")
    @click.option("--folder", default="models", show_default=True, type=_FOLDER, help="Folder of the models.")
    @click.option(
        "--config", default="config.yaml", envvar="ORBIT_CONFIG", type=_FILE, help="Configuration file to update."
    )
    def pull(repo_id: str, filename: str | None, only_list: bool, folder: Path, config: Path) -> None:
        """Download a model from the Hugging Face hub and write its path into the configuration.

        An interrupted download continues where it stopped. HF_TOKEN is used if it is set. If there is no configuration
        file, the command creates one that behaves like running without it, retrieval included.
        """
        console = Console()
        try:
            files = list_files(repo_id)
            if only_list or not files:
                _show_files(console, repo_id, files)
                return
            parts = _choose(repo_id, files, filename)
            for part in parts:
                target(folder, part.name)  # before creating anything on disk
            folder.mkdir(parents=True, exist_ok=True)
            path, *_ = [fetch(repo_id, part, folder) for part in parts]
            header = inspect(path)
        except (HubError, ModelFileError) as error:
            raise click.ClickException(str(error)) from error
        if header.embeds and not _embeds(settings, configured=config.exists()):
            console.print(f"{path} is complete. It is an embedding model; {_as_second_instance(path)}", soft_wrap=True)
            return
        new: dict[str, object] = {"model_path": str(path)}
        if header.context_length and settings.n_ctx > header.context_length:
            new["n_ctx"] = header.context_length
        made = "" if config.exists() else f" Created {config} with the defaults for running without a configuration."
        try:
            write_settings(config, section, new, default_config)
        except (OSError, YAMLError, UnicodeDecodeError) as error:
            what = f"{config} cannot be changed: {getattr(error, 'strerror', None) or 'it is not valid YAML'}"
            raise click.ClickException(f"{what}. Set {section}.model_path in it to {path}") from error
        console.print(f"{path} is complete; {config} names it as {section}.model_path.{made}", soft_wrap=True)

    return pull


def _embeds(settings: LlamaCppSettings, *, configured: bool) -> bool:
    """Return whether the configured model, which the new one would replace, is an embedding model too."""
    try:
        return inspect(locate(settings.model_path)).embeds
    except ModelFileError:
        return configured


def _as_second_instance(path: Path) -> str:
    return (
        "to use it, add an instance of its own:\n\n"
        f"general:\n  embedding_provider: vectors\nvectors:\n  use: llama_cpp\n  model_path: {path}\n  n_ctx: 0"
    )


def _info(settings: LlamaCppSettings) -> click.Command:
    @click.command()
    @click.argument("model_path", default=settings.model_path)
    def info(model_path: str) -> None:
        """Show the metadata of a GGUF file, its memory use with the configured context, and whether that fits."""
        try:
            path = locate(model_path)
            header = inspect(path)
        except ModelFileError as error:
            raise click.ClickException(str(error)) from error
        console = Console()
        console.print(_description(path, header))
        console.print(_needs(header, settings))

    return info


def _choose(repository: str, files: list[RemoteFile], name: str | None) -> list[RemoteFile]:
    """Return the file to download, with all its parts in order if the model has several."""
    by_name = {file.name: file for file in files}
    models = list(dict.fromkeys((part_names(file.name) or [file.name])[0] for file in files))
    if name is None and len(models) == 1:
        name = models[0]
    if name in by_name:
        names = part_names(name) or [name]
        if missing := [part for part in names if part not in by_name]:
            raise click.ClickException(f"parts of this model are missing in {repository}: {', '.join(missing)}")
        return [by_name[part] for part in names]
    listed = ", ".join(models)
    asked = (
        f"{repository} has no {name}; it has"
        if name
        else f"{repository} has several models; choose one with --filename"
    )
    raise click.ClickException(f"{asked}: {listed}")


def _show_files(console: Console, repository: str, files: list[RemoteFile]) -> None:
    if not files:
        console.print(f"{repository} has no .gguf file.")
        return
    table = Table("file", "size")
    for file in files:
        table.add_row(Text(printable(file.name)), "" if file.size is None else _size(file.size))
    console.print(table)


def _description(path: Path, header: Header) -> Table:
    table = Table(title=Text(printable(path.name)), show_header=False)
    types: dict[str, int] = {}
    for tensor in header.tensors:
        types[tensor.type] = types.get(tensor.type, 0) + 1
    vocabulary = header.metadata.get("tokenizer.ggml.tokens")
    rows: list[tuple[str, Any]] = [
        ("name", header.metadata.get("general.name", "")),
        ("architecture", header.architecture),
        ("trained context", f"{header.context_length:,} tokens"),
        ("layers", header.number("block_count")),
        ("width", header.number("embedding_length")),
        ("vocabulary", f"{vocabulary.length:,}" if isinstance(vocabulary, Array) else ""),
        ("tensors", ", ".join(f"{count} {name}" for name, count in sorted(types.items(), key=lambda item: -item[1]))),
        *template_facts(header),
        ("license", header.metadata.get("general.license", "")),
    ]
    for name, value in rows:
        table.add_row(name, Text(printable(str(value))))
    return table


def _needs(header: Header, settings: LlamaCppSettings) -> Table:
    window = settings.n_ctx or header.context_length
    need = estimate(header, window, settings.parallel, settings.n_batch)
    table = Table(title=f"{settings.parallel} conversations of {window:,} tokens", show_header=False)
    table.add_row("weights", _size(need.weights))
    table.add_row("context", f"{_size(need.cache)} ({_size(need.cache_token)} a token)")
    table.add_row("computing, about", _size(need.work))
    table.add_row("together, about", _size(need.total))
    free = memory_available()
    if free is not None:
        table.add_row("free on this machine", _size(free))
        fits = "yes" if need.total <= free else "no: choose a smaller n_ctx, fewer in parallel, or a smaller model"
        table.add_row("does it fit", fits)
    return table


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:  # noqa: PLR2004 - the unit's size
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.2f} GiB"
