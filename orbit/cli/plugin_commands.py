"""``orbit PLUGIN ...``: the commands that plugins add, found when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orbit.plugins.discover import InstalledPlugin


def plugin_group(ctx: click.Context, name: str) -> click.Group | None:
    """The commands of the installed plugin ``name`` (dashes stand for underscores), or None if it has none.

    The plugin is made with the settings of the configuration, or its defaults if it has no section; it is not started.
    """
    from orbit.config.load import read_config
    from orbit.config.model import Config, ProviderSection
    from orbit.errors import ConfigError, PluginLoadError
    from orbit.host import OrbitHost
    from orbit.plugins.discover import installed_plugins
    from orbit.plugins.load import import_plugin, load
    from orbit.plugins.verify import implemented_hooks

    installed = installed_plugins()
    plugin = installed.get(name) or installed.get(name.replace("-", "_")) or _without_underscores(name, installed)
    if plugin is None:
        return None
    try:
        kind = import_plugin(plugin)
    except PluginLoadError as error:
        raise click.ClickException(str(error)) from error
    if "register_commands" not in implemented_hooks(kind):
        return None
    config, _ = read_config(_config_path(ctx))
    section = next((item for item in config.providers if item.plugin == plugin.name), None)
    section = section or ProviderSection(plugin.name, plugin.name, plugin.name, {})
    lender = OrbitHost(Config(config.source, config.host, ()), needed=())
    loaded = load(section, installed, lender)
    if loaded.provider is None:
        raise ConfigError(loaded.problems)
    group = click.Group(name, help=f"Commands of the plugin {plugin.name} ({plugin.distribution} {plugin.version}).")
    register = getattr(loaded.provider, "register_commands")  # noqa: B009  # a hook is no attribute of the base class
    register(group=group)
    return group


def _without_underscores(name: str, installed: Mapping[str, InstalledPlugin]) -> InstalledPlugin | None:
    """``orbit llamacpp`` is as good as ``orbit llama_cpp``."""
    return next((plugin for key, plugin in installed.items() if key.replace("_", "") == name), None)


def _config_path(ctx: click.Context) -> str | None:
    path = ctx.params.get("config_path")
    return str(path) if path else None
