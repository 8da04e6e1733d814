"""Finds installed plugins by their package metadata, without importing them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec
from importlib_metadata import EntryPoint, entry_points

from orbit.config.convert import suggest
from orbit.config.model import HostConfig

GROUP = "orbit"

FIRST_PARTY = {
    "anthropic": "orbit-anthropic",
    "cache": "orbit-cache",
    "chroma": "orbit-chroma",
    "elasticsearch": "orbit-es",
    "fsspec": "orbit-fsspec",
    "lexical": "orbit-lexical",
    "llama_cpp": "orbit-llamacpp",
    "mcp": "orbit-mcp",
    "ocr": "orbit-ocr",
    "ollama": "orbit-ollama",
    "onnx": "orbit-onnx",
    "openai": "orbit-openai",
    "pgvector": "orbit-pgvector",
    "safety": "orbit-safety",
    "web": "orbit-web",
    "wordllama": "orbit-wordllama",
}
"""The project's own plugins and their distributions, to suggest one that is not installed."""


class InstalledPlugin(msgspec.Struct, frozen=True):
    """An entry point of the group ``orbit``. ``rivals`` are other distributions that claim the same name."""

    name: str
    target: str
    distribution: str
    version: str
    rivals: tuple[str, ...] = ()


class _Installed(Mapping[str, InstalledPlugin]):
    """Plugins by name. Reads a distribution's metadata only on lookup, because most plugins are never looked up."""

    def __init__(self, entries: Iterable[EntryPoint]) -> None:
        self._entries: dict[str, list[EntryPoint]] = {}
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._entries.setdefault(entry.name, []).append(entry)

    def __getitem__(self, name: str) -> InstalledPlugin:
        first, *others = self._entries[name]
        distribution, version = _distribution(first)
        rivals = dict.fromkeys(_distribution(other)[0] for other in others)
        rivals.pop(distribution, None)
        return InstalledPlugin(name, first.value, distribution, version, tuple(rivals))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def installed_plugins() -> Mapping[str, InstalledPlugin]:
    """Return the installed plugins by name, in order of their names."""
    return _installed(tuple((folder, _changed(folder)) for folder in sys.path))


@lru_cache(1)
def _installed(folders: tuple[tuple[str, int], ...]) -> Mapping[str, InstalledPlugin]:  # noqa: ARG001  # the key
    """Read the metadata of all distributions, again once a folder that may hold some has changed."""
    return _Installed(entry_points(group=GROUP))


def _changed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    """Return the name and the version of an entry point's distribution."""
    if entry.dist is None:
        return "unknown", "unknown"
    metadata = entry.dist.metadata
    return metadata["Name"], metadata["Version"]


def not_installed(name: str, installed: Mapping[str, InstalledPlugin]) -> str:
    """Return the sentence about a section whose plugin is missing: what to install, or a similar name."""
    if name in FIRST_PARTY:
        return f"the plugin '{name}' is not installed. Install it: pip install {FIRST_PARTY[name]}."
    there = ", ".join(installed) or "none"
    sections = [field.name for field in msgspec.structs.fields(HostConfig)]
    hint = suggest(name, [*FIRST_PARTY, *installed, *sections])
    return (
        f"no section or plugin is named '{name}'.{hint} Installed plugins: {there}. "
        "An instance under another name says which plugin it uses: use: NAME."
    )
