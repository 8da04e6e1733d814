"""Describes one plugin in full, for ``orbit plugins show``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Literal

import msgspec

from orbit.config.convert import suggest
from orbit.errors import PluginLoadError
from orbit.host.plugins.discover import InstalledPlugin, not_installed
from orbit.host.plugins.load import Loaded, import_plugin
from orbit.host.plugins.verify import deprecations, implemented_hooks, wrapped_hooks
from orbit.host.settings_table import Setting, settings_of
from orbit.provider import Provider


class Description(msgspec.Struct, frozen=True):
    """One plugin, or one instance of it. Fields that need the plugin's import are empty if the import fails.

    ``api`` is the version of the plugin API that the plugin targets, ``source`` the file of its class. ``health`` comes
    from a running server and is empty without one.
    """

    plugin: str
    instance: str
    state: Literal["enabled", "failed", "installed"]
    distribution: str
    version: str
    target: str
    api: int | None = None
    source: str = ""
    summary: str = ""
    hooks: tuple[str, ...] = ()
    wraps: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    reason: str = ""
    deprecations: tuple[str, ...] = ()
    health: str = ""


def describe(
    name: str, loaded: Mapping[str, Loaded], installed: Mapping[str, InstalledPlugin], failed: Mapping[str, str]
) -> tuple[Description, type[Provider] | None, BaseException | None]:
    """Describe the configured instance of this name, or else the installed plugin of this name. Imports the plugin.

    Also returns the class, and the exception behind a failure. Raises LookupError, with a sentence, if nothing has
    the name.
    """
    item = loaded.get(name)
    if item is not None and item.plugin is None:
        raise LookupError(not_installed(item.section.plugin, dict(installed)))
    plugin = item.plugin if item is not None else installed.get(name) or installed.get(name.replace("-", "_"))
    if plugin is None:
        known = list(dict.fromkeys((*loaded, *installed)))
        there = ", ".join(known) or "none"
        raise LookupError(f"no plugin or instance is named '{name}'.{suggest(name, known)} There are: {there}.")
    reason = ""
    if item is not None:
        reason = " ".join(map(str, item.problems)) or failed.get(name, "")
    described = Description(
        plugin.name,
        item.section.name if item is not None else "",
        "failed" if reason else "enabled" if item is not None else "installed",
        plugin.distribution,
        plugin.version,
        plugin.target,
        reason=reason,
    )
    try:
        kind = import_plugin(plugin)
    except PluginLoadError as error:
        return msgspec.structs.replace(described, state="failed", reason=error.reason), None, error.__cause__
    return (
        msgspec.structs.replace(
            described,
            api=kind.ORBIT_API,
            source=inspect.getfile(kind),
            summary=(inspect.getdoc(kind) or "").partition("\n")[0],
            hooks=implemented_hooks(kind),
            wraps=wrapped_hooks(kind),
            settings=tuple(settings_of(kind.Settings)),
            deprecations=tuple(deprecations(kind)),
        ),
        kind,
        item.error if item is not None else None,
    )
