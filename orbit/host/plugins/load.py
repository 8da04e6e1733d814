"""Makes the provider of a configured section: imports and verifies the class, converts the settings. Starts nothing."""

from __future__ import annotations

import importlib
import inspect
import traceback
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from orbit.config.convert import convert_all
from orbit.config.model import ProviderSection
from orbit.errors import PluginLoadError, Problem
from orbit.host.plugins.announce import announced
from orbit.host.plugins.discover import InstalledPlugin, not_installed
from orbit.host.plugins.verify import breaches, deprecations, offered_hooks
from orbit.provider import Host, NoSettings, Provider


class Loaded(msgspec.Struct):
    """A provider instance that is ready to start, or the reasons why it is not: ``provider`` is then None."""

    section: ProviderSection
    plugin: InstalledPlugin | None = None
    provider: Provider | None = None
    problems: tuple[Problem, ...] = ()
    error: BaseException | None = None
    """The exception behind a failed import, for ``--traceback``."""


def import_plugin(plugin: InstalledPlugin) -> type[Provider]:
    """Import a plugin's class and verify it. Raises PluginLoadError with one sentence for each breach."""
    if plugin.rivals:
        names = ", ".join((plugin.distribution, *plugin.rivals))
        raise PluginLoadError(
            plugin.name, f"several distributions have a plugin of this name: {names}. Uninstall all but one."
        )
    module_name, _, attribute = plugin.target.partition(":")
    installed = f"{plugin.distribution} {plugin.version} is installed, but"
    if not attribute:
        reason = f"{installed} its entry point names the module {module_name}, not a class in it: write MODULE:CLASS."
        raise PluginLoadError(plugin.name, reason)
    try:
        with announced(f"importing {plugin.target} for {plugin.name}"):
            target: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except (Exception, SystemExit) as error:
        raise PluginLoadError(plugin.name, f"{installed} importing {plugin.target} failed: {_told(error)}") from error
    sentences = breaches(target)
    if sentences:
        raise PluginLoadError(plugin.name, " ".join(sentences))
    kind: type[Provider] = target
    for sentence in deprecations(kind):
        warnings.warn_explicit(sentence, DeprecationWarning, inspect.getfile(kind), 1, kind.__module__)
    return kind


def load(section: ProviderSection, installed: Mapping[str, InstalledPlugin], host: Host) -> Loaded:
    """Make the provider of a section. Returns problems instead of raising, so that one run can show all of them.

    Does not call the provider's ``validate``: ``validated`` does, once all providers exist.
    """
    plugin = installed.get(section.plugin)
    if plugin is None:
        return Loaded(section, problems=(Problem(section.path, not_installed(section.plugin, installed)),))
    try:
        kind = import_plugin(plugin)
    except PluginLoadError as error:
        return Loaded(section, plugin, problems=(Problem(section.path, error.reason),), error=error.__cause__)
    try:
        settings, problems = convert_all(section.settings, kind.Settings, section.path)
    except Exception as error:  # noqa: BLE001  # __post_init__ and default factories are plugin code
        return _unmade(section, plugin, f"{kind.__name__}.Settings could not be made", error)
    if settings is None:
        if kind.Settings is NoSettings:
            problems = [Problem(section.path, f"{kind.__name__} has no class attribute Settings, so it takes none.")]
        return Loaded(section, plugin, problems=tuple(problems))
    try:
        with announced(f"making {section.name}"):
            provider = kind(section.name, settings, host)
            _see_that_it_was_made(provider)
            offered_hooks(provider)  # called here so that their errors are reported like the constructor's
            provider.exclusive()
    except (Exception, SystemExit) as error:  # noqa: BLE001  # plugin code can raise anything
        return _unmade(section, plugin, f"{kind.__name__} could not be made", error)
    return Loaded(section, plugin, provider)


def validated(loaded: Loaded) -> tuple[Problem, ...]:
    """Call a provider's ``validate``, store its problems in ``loaded``, and return them."""
    section, provider = loaded.section, loaded.provider
    if provider is not None:
        try:
            with announced(f"checking {section.name}"):
                loaded.problems = tuple(Problem(section.path, sentence) for sentence in _sentences(provider))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # plugin code can raise anything
            assert loaded.plugin is not None
            failed = _unmade(section, loaded.plugin, f"{type(provider).__name__} could not be checked", error)
            loaded.problems, loaded.error = failed.problems, failed.error
    return loaded.problems


def _unmade(section: ProviderSection, plugin: InstalledPlugin, what: str, error: BaseException) -> Loaded:
    return Loaded(section, plugin, problems=(Problem(section.path, f"{what}: {_told(error)}"),), error=error)


def _sentences(provider: Provider) -> list[str]:
    """Return the sentences of ``validate``. Raises TypeError if it returns anything but a list of strings."""
    found: Any = provider.validate()
    where = f"{type(provider).__name__}.validate"
    if isinstance(found, str) and found:
        raise TypeError(f"{where} returned a text instead of a list of sentences: {found}")
    if not isinstance(found, Iterable):
        raise TypeError(f"{where} returned {_named(found)} instead of a list of sentences")
    sentences = list(found)
    for sentence in sentences:
        if not isinstance(sentence, str):
            raise TypeError(f"{where} gave {_named(sentence)} instead of a sentence")
    return sentences


def _named(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _see_that_it_was_made(provider: Provider) -> None:
    if not all(hasattr(provider, name) for name in ("name", "settings", "host")):
        raise TypeError(f"{type(provider).__name__}.__init__ does not call super().__init__(name, settings, host)")


def _told(error: BaseException) -> str:
    """Return an exception in one line, with the file and line that raised it unless that is this file."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    told = f"{type(error).__name__}: {error}"
    if not frames or frames[-1].filename == __file__ or isinstance(error, SyntaxError):  # its text names the line
        return told
    return f"{told} ({frames[-1].filename}, line {frames[-1].lineno})"
