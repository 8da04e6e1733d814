"""Lists configured instances and installed plugins, for ``orbit plugins``."""

from __future__ import annotations

from typing import Literal

import msgspec

from orbit.host.host import OrbitHost
from orbit.host.plugins.discover import installed_plugins
from orbit.host.plugins.verify import offered_hooks, wrapped_hooks


class PluginRow(msgspec.Struct, frozen=True):
    """One instance of a plugin, or an installed plugin without instances. ``reason`` says why ``state`` is failed."""

    plugin: str
    instance: str
    distribution: str
    version: str
    state: Literal["enabled", "failed", "installed"]
    hooks: tuple[str, ...] = ()
    wraps: tuple[str, ...] = ()
    reason: str = ""


def overview(host: OrbitHost) -> list[PluginRow]:
    """Return all configured instances in the order of the configuration, then the plugins without an instance."""
    rows: list[PluginRow] = []
    for item in host.registry.loaded:
        name, plugin = item.section.name, item.plugin
        reason = " ".join(str(problem) for problem in item.problems) or host.registry.failed.get(name, "")
        rows.append(
            PluginRow(
                item.section.plugin,
                name,
                plugin.distribution if plugin else "",
                plugin.version if plugin else "",
                "failed" if reason else "enabled",
                offered_hooks(item.provider) if item.provider else (),
                wrapped_hooks(type(item.provider)) if item.provider else (),
                reason,
            )
        )
    used = {item.section.plugin for item in host.registry.loaded}
    rows += [
        PluginRow(plugin.name, "", plugin.distribution, plugin.version, "installed")
        for plugin in installed_plugins().values()
        if plugin.name not in used
    ]
    return rows
