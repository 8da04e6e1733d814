"""Finds installed plugins by their package metadata, without importing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import cast

import msgspec
from importlib_metadata import Distribution, EntryPoint

from orbit.config.convert import suggest
from orbit.config.model import HostConfig
from orbit.system.entry_points import entries

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
_OTHER_NAMES = {
    "claude": "anthropic",
    "es": "elasticsearch",
    "gguf": "llama_cpp",
    "huggingface": "llama_cpp",
    "lmstudio": "openai",
    "minilm": "onnx",
    "postgres": "pgvector",
    "postgresql": "pgvector",
    "s3": "fsspec",
    "sglang": "openai",
    "tesseract": "ocr",
    "vllm": "openai",
    "webdav": "fsspec",
}
"""What people call a section after, and the plugin that they mean."""


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
    return _Installed(entries(GROUP))


def _distribution(entry: EntryPoint) -> tuple[str, str]:
    """Return the name and the version of an entry point's distribution."""
    if entry.dist is None:
        return "unknown", "unknown"
    return _name_and_version(cast("Distribution", entry.dist))


@lru_cache
def _name_and_version(distribution: Distribution) -> tuple[str, str]:
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


def not_installed(name: str, installed: Mapping[str, InstalledPlugin]) -> str:
    """Return the sentence about a section whose plugin is missing: what to install, or a similar name."""
    if name in FIRST_PARTY:
        return f"the plugin '{name}' is not installed. Install it: pip install {FIRST_PARTY[name]}."
    there = ", ".join(installed) or "none"
    sections = [field.name for field in msgspec.structs.fields(HostConfig)]
    if name in sections:
        return f"'{name}' is a section of the host, not a plugin. Installed plugins: {there}."
    meant = _OTHER_NAMES.get(name.lower())
    hint = f" Did you mean '{meant}'?" if meant else suggest(name, [*FIRST_PARTY, *installed, *sections])
    return (
        f"no section or plugin is named '{name}'.{hint} Installed plugins: {there}. "
        "An instance under another name says which plugin it uses: use: NAME."
    )
