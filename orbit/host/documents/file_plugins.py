"""The plugins that read and split files: which they are, and how another process makes them again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any

import msgspec

from orbit.config.model import Config, ProviderSection
from orbit.errors import Problem, ProviderError
from orbit.host.plugins.discover import InstalledPlugin
from orbit.host.plugins.load import Loaded, load
from orbit.host.plugins.verify import implemented_hooks, wrapped_hooks
from orbit.host.providers.registry import Registry
from orbit.provider import Provider

HOOKS = frozenset({"read", "split"})


class FilePlugin(msgspec.Struct, frozen=True):
    """An instance, and the class behind it."""

    section: ProviderSection
    plugin: InstalledPlugin


class FilePlugins(msgspec.Struct, frozen=True):
    """What a reading process needs to know about plugins. It can be sent as MessagePack."""

    plugins: tuple[FilePlugin, ...] = ()
    readers: dict[str, str] = {}
    """By extension, the instance that reads it."""
    splitter: str = ""
    """The instance that splits; empty for ORBIT's own splitter."""
    data_dir: str = ""

    def digest(self, ending: str) -> str:
        """Return what changes whenever these plugins may make other passages of a file with this extension."""
        if not self.splitter and ending not in self.readers:
            return ""
        return hashlib.sha256(repr((self.readers.get(ending), self.splitter, self.plugins)).encode()).hexdigest()


def file_plugins(config: Config, registry: Registry) -> tuple[FilePlugins, list[Problem]]:
    """Return the instances that take part in reading, and what is wrong with the choice."""
    problems: list[Problem] = []
    taking = [item for item in registry.loaded if item.provider is not None and _takes_part(item)]
    readers: dict[str, str] = {}
    for name in registry.implementing("read"):
        path = next(item.section.path for item in taking if item.section.name == name)
        endings, mistakes = _extensions(registry[name])
        problems += [Problem(path, f"{sentence}. This is a mistake in the plugin.") for sentence in mistakes]
        for ending in endings:
            readers.setdefault(ending, name)
    able, wanted = registry.implementing("split"), config.host.ingest.splitter
    if wanted and wanted not in able:
        can = ", ".join(able) or "none"
        problems.append(Problem("ingest.splitter", f"'{wanted}' cannot split; providers that can: {can}."))
    elif not wanted and len(able) > 1:
        problems.append(
            Problem("ingest.splitter", f"several providers can split: {', '.join(able)}. Name the one to use here.")
        )
    splitter = wanted if wanted in able else able[0] if len(able) == 1 else ""
    used = tuple(FilePlugin(_plain(item.section), item.plugin) for item in taking if item.plugin is not None)
    return FilePlugins(used, readers, splitter, str(config.data_dir)), problems


class Hooks:
    """The plugins' hooks in a reading process. The providers are made, but not started."""

    def __init__(self, plugins: FilePlugins) -> None:
        installed = {item.plugin.name: item.plugin for item in plugins.plugins}
        host: Any = _NoHost(Path(plugins.data_dir))
        loaded = [load(item.section, installed, host) for item in plugins.plugins]
        for item in loaded:
            if item.problems:
                raise ProviderError(" ".join(str(problem) for problem in item.problems))
        registry = Registry(loaded)
        self.readers = {ending: registry.caller("read", name) for ending, name in plugins.readers.items()}
        self.split: Callable[..., Any] | None = registry.caller("split", plugins.splitter) if plugins.splitter else None


class _NoHost:
    """The host of a provider that is not started: it answers no calls."""

    default_config = ""
    environment: Mapping[str, str] = os.environ
    chat_log: Path | None = None
    embedding = ""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def __getattr__(self, name: str) -> Any:
        raise ProviderError(f"read and split run in a process of their own, where the host has no '{name}'.")


def _extensions(provider: Provider) -> tuple[list[str], list[str]]:
    """Return the extensions that an instance reads, and what is wrong with its others."""
    try:
        returned: Any = provider.reads()
        given = [] if isinstance(returned, str) else list(returned or ())
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        return [], [f"its reads() raised {type(error).__name__}: {error}"]
    if isinstance(returned, str) or returned is None:
        return [], [f"its reads() returned {returned!r} instead of a list of extensions such as ['.msg']"]
    wrong = [ending for ending in given if not _is_extension(ending)]
    return (
        [ending for ending in given if ending not in wrong],
        [f"its reads() returned {ending!r} instead of a lower-case extension such as '.msg'" for ending in wrong],
    )


def _is_extension(value: object) -> bool:
    """Whether a file's name can have this suffix: '.tar.gz' is two."""
    return isinstance(value, str) and value == value.lower() and PurePath(f"x{value}").suffix == value != ""


def _takes_part(item: Loaded) -> bool:
    assert item.provider is not None
    kind = type(item.provider)
    return bool(HOOKS & {*implemented_hooks(kind), *wrapped_hooks(kind)})


def _plain(section: ProviderSection) -> ProviderSection:
    """Return a section whose settings can be sent: a path or a date of YAML as text."""
    settings: Mapping[str, Any] = msgspec.to_builtins(section.settings, enc_hook=str)
    return msgspec.structs.replace(section, settings=dict(settings))
