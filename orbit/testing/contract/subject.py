"""The provider under test, in a real host."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orbit import CallContext, Provider
from orbit.host.host import OrbitHost
from orbit.host.plugins.discover import InstalledPlugin, installed_plugins
from orbit.host.plugins.load import import_plugin
from orbit.testing.hosting import make_host

CONTEXT = CallContext("contract")

_SELECTED = {
    "generate": "inference_provider",
    "embed": "embedding_provider",
    "index": "store_provider",
}


class Subject:
    """One instance in its own host. Calls go through pluggy with arguments by name, as in production."""

    def __init__(self, host: OrbitHost, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def provider(self) -> Provider:
        """The provider instance."""
        return self.host.registry[self.name]

    def implements(self, hook: str) -> bool:
        """Return whether the instance implements a hook and can serve it with its current settings."""
        return self.name in self.host.registry.implementing(hook)

    def call(self, hook: str, context: CallContext = CONTEXT, **arguments: Any) -> Any:
        """Call a hook. Returns the coroutine or the iterator; the caller awaits or reads it."""
        if hook == "generate":
            arguments = {"question": arguments["messages"][-1].content, "documents": (), **arguments}
        return self.host.registry.caller(hook, self.name)(**arguments, context=context)


def class_of(plugin_name: str) -> type[Provider]:
    """Return the class behind an entry point. Raises LookupError or PluginLoadError."""
    installed = _installed(tuple(sys.path))
    if plugin_name not in installed:
        there = ", ".join(installed)
        raise LookupError(f"no plugin '{plugin_name}' is installed (pip install -e .); there are: {there}")
    return import_plugin(installed[plugin_name])


def make_subject(
    kind: type[Provider],
    plugin_name: str,
    settings: Mapping[str, Any],
    config: Mapping[str, Any],
    others: Mapping[str, type[Provider]],
    data_dir: Path,
) -> Subject:
    """Make a host with one instance of ``kind`` and the sections of ``config``. Does not start it.

    ``plugin_name`` is empty for a class without an entry point. The instance gets every role that it can have. If no
    provider generates, the host gets an echo provider, because it cannot start without one that generates.
    """
    name = plugin_name or kind.__name__.lower()
    plugins = dict(others) if plugin_name else {**others, name: kind}
    sections: dict[str, Any] = {name: {"use": name, "required": True, **settings}, **config}
    general = dict(config.get("general", {}))
    installed = _installed(tuple(sys.path))
    host = make_host(sections, data_dir, plugins, installed)
    if not host.registry.implementing("generate"):
        sections["echo"] = {}
    for hook, setting in _SELECTED.items():
        if name in host.registry.implementing(hook):
            general.setdefault(setting, name)
    return Subject(make_host({**sections, "general": general}, data_dir, plugins, installed), name)


@functools.cache
def _installed(path: tuple[str, ...]) -> Mapping[str, InstalledPlugin]:  # noqa: ARG001  # the key of the cache: the result depends on sys.path
    """Look up the installed plugins once, because the search takes longer than most rules."""
    return dict(installed_plugins())
