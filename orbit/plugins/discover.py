"""Which plugins are installed, read from package metadata alone: nothing is imported."""

from __future__ import annotations

import msgspec
from importlib_metadata import EntryPoint, entry_points

from orbit.config.convert import suggest

GROUP = "orbit"

FIRST_PARTY = {
    "chroma": "orbit-chroma",
    "elasticsearch": "orbit-es",
    "llama_cpp": "orbit-llamacpp",
    "ollama": "orbit-ollama",
    "openai": "orbit-openai",
    "safety": "orbit-safety",
    "wordllama": "orbit-wordllama",
}
"""Plugin name -> the distribution that has it, for those of this project that may not be installed."""


class InstalledPlugin(msgspec.Struct, frozen=True):
    """An entry point of the group ``orbit``. ``rivals`` are other distributions that claim the same name."""

    name: str
    target: str
    distribution: str
    version: str
    rivals: tuple[str, ...] = ()


def installed_plugins() -> dict[str, InstalledPlugin]:
    """Return the installed plugins by name, in order of their names."""
    found: dict[str, InstalledPlugin] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        plugin = _describe(entry)
        first = found.get(plugin.name)
        if first is None:
            found[plugin.name] = plugin
        elif first.distribution != plugin.distribution:
            found[plugin.name] = msgspec.structs.replace(first, rivals=(*first.rivals, plugin.distribution))
    return found


def _describe(entry: EntryPoint) -> InstalledPlugin:
    distribution = entry.dist
    if distribution is None:
        return InstalledPlugin(entry.name, entry.value, "unknown", "unknown")
    return InstalledPlugin(entry.name, entry.value, distribution.name, distribution.version)


def not_installed(name: str, installed: dict[str, InstalledPlugin]) -> str:
    """Return the sentence for a section whose plugin is not there: what to install, or what may have been meant."""
    if name in FIRST_PARTY:
        return f"the plugin '{name}' is not installed. Install it: pip install {FIRST_PARTY[name]}."
    there = ", ".join(installed) or "none"
    hint = suggest(name, {**FIRST_PARTY, **installed})
    return (
        f"no section or plugin is named '{name}'.{hint} Installed plugins: {there}. "
        "An instance under another name says which plugin it uses: use: NAME."
    )
