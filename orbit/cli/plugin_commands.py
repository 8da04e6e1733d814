"""``orbit PLUGIN ...``: the commands that plugins add, imported on first use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from orbit.config.model import ProviderSection
    from orbit.host.plugins.discover import InstalledPlugin


def plugin_group(ctx: click.Context, name: str) -> click.Group | None:
    """Return the commands of the instance or plugin ``name`` (dashes count as underscores); None if it has none.

    The provider gets the settings of the section of that name, else of the plugin's first section, else the
    defaults. It does not start.
    """
    from orbit.config.load import read_config
    from orbit.config.model import Config, ProviderSection
    from orbit.errors import ConfigError, PluginLoadError
    from orbit.host.host import OrbitHost
    from orbit.host.plugins.discover import installed_plugins
    from orbit.host.plugins.load import import_plugin, load
    from orbit.host.plugins.verify import implemented_hooks

    installed = installed_plugins()
    plugin = installed.get(name) or installed.get(name.replace("-", "_")) or _without_underscores(name, installed)
    instance = _instance(ctx, (name, name.replace("-", "_"))) if plugin is None else None
    plugin = installed.get(instance.plugin) if instance is not None else plugin
    if plugin is None:
        return None
    try:
        kind = import_plugin(plugin)
    except PluginLoadError as error:
        raise click.ClickException(str(error)) from error
    if "register_commands" not in implemented_hooks(kind):
        return None
    config, _ = read_config(_config_path(ctx))
    own = [item for item in config.providers if item.plugin == plugin.name]
    section = instance or next((item for item in own if item.name == plugin.name), own[0] if own else None)
    section = section or ProviderSection(plugin.name, plugin.name, plugin.name, {})
    lender = OrbitHost(Config(config.source, config.host, ()), needed=())
    loaded = load(section, installed, lender)
    if loaded.provider is None:
        raise ConfigError(loaded.problems)
    group = click.Group(name, help=f"Commands of the plugin {plugin.name} ({plugin.distribution} {plugin.version}).")
    register = getattr(loaded.provider, "register_commands")  # noqa: B009  # a hook is no attribute of the base class
    register(group=group)
    return group


def _instance(ctx: click.Context, names: Collection[str]) -> ProviderSection | None:
    """Return the section of an instance whose name is not its plugin's."""
    from orbit.config.load import read_config
    from orbit.errors import ConfigError

    try:
        config, _ = read_config(_config_path(ctx))
    except ConfigError:  # reported by the commands that need it
        return None
    return next((item for item in config.providers if item.name in names), None)


def _without_underscores(name: str, installed: Mapping[str, InstalledPlugin]) -> InstalledPlugin | None:
    """Return the plugin for a name without underscores: ``orbit llamacpp`` works like ``orbit llama_cpp``."""
    return next((plugin for key, plugin in installed.items() if key.replace("_", "") == name), None)


def _config_path(ctx: click.Context) -> str | None:
    path = ctx.params.get("config_path")
    return str(path) if path else None
