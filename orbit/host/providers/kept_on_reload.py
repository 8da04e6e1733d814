"""Decides which running providers a new configuration keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from orbit.config.load import FILE_LOG
from orbit.config.model import Config, ProviderSection
from orbit.host.plugins.load import Loaded
from orbit.host.plugins.verify import offered_hooks
from orbit.host.providers.registry import Registry

_WATCHING = frozenset({"log", "register_routes", "register_commands"})
"""The hooks of providers that may do nothing but read the files of the chat log."""


def loaded_and_kept(
    config: Config, former: Registry, before: Config, load: Callable[[ProviderSection], Loaded]
) -> tuple[list[Loaded], set[str]]:
    """Return an instance for each section, and the names of those that run already.

    An instance runs on if its section is the same and nothing it needs from others has changed.
    """
    running = {item.section.name: item for item in former.loaded if item.section.name in former}
    kept = {
        section.name
        for section in config.providers
        if section.name in running and section.made_of == running[section.name].section.made_of
    }
    if _chat_log(before) != _chat_log(config):
        kept -= {name for name in kept if _WATCHING.issuperset(offered_hooks(former[name]))}
    fresh = {section.name: load(section) for section in config.providers if section.name not in kept}
    moved = set() if _roles(before) == _roles(config) else {"embed", "generate", "index"}
    moved |= _hooks(fresh.values()) | _hooks(running[name] for name in running if name not in kept)
    while astray := [name for name in kept if any(need.hook in moved for need in former[name].needs())]:
        for section in config.providers:
            if section.name in astray:
                fresh[section.name] = load(section)
        kept.difference_update(astray)
        moved |= _hooks(running[name] for name in astray)
    return [fresh.get(section.name) or running[section.name] for section in config.providers], kept


def _chat_log(config: Config) -> tuple[str, dict[str, Any]] | None:
    return next((section.made_of for section in config.providers if section.name == FILE_LOG), None)


def _roles(config: Config) -> tuple[object, ...]:
    general = config.host.general
    return (general.inference_provider, general.embedding_provider, general.store_provider, config.host.models)


def _hooks(items: Iterable[Loaded]) -> set[str]:
    return {hook for item in items if item.provider is not None for hook in offered_hooks(item.provider)}
