"""Does a plugin class keep the contract? Each breach is one sentence that says how to mend it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from orbit import hookspecs
from orbit.config.convert import suggest
from orbit.plugins.deprecations import DEPRECATIONS
from orbit.provider import ORBIT_API, Provider

MARK = f"{hookspecs.PROJECT}_impl"
SUPPORTED_APIS = range(1, ORBIT_API + 1)

HOOKS: dict[str, Callable[..., Any]] = {
    name: function for name, function in vars(hookspecs).items() if hasattr(function, f"{hookspecs.PROJECT}_spec")
}
"""Hook name -> its specification, in the order of the file."""


def implemented_hooks(plugin: type[Provider]) -> tuple[str, ...]:
    """Return the hooks that a class implements itself (wrappers not counted), in the order of the specifications."""
    return _hooks(plugin, wrappers=False)


def offered_hooks(provider: Provider) -> tuple[str, ...]:
    """Return the hooks that an instance implements and, with its settings, offers."""
    return tuple(hook for hook in implemented_hooks(type(provider)) if provider.offers(hook))


def wrapped_hooks(plugin: type[Provider]) -> tuple[str, ...]:
    """Return the hooks that a class wraps, in the order of the specifications."""
    return _hooks(plugin, wrappers=True)


def deprecations(plugin: type[Provider]) -> list[str]:
    """Return what a class uses of the plugin API that will go, as sentences for its author."""
    sentences = []
    for item in DEPRECATIONS:
        function = getattr(plugin, item.name, None)
        used = {
            "hook": _options(function) is not None,
            "argument": _options(function) is not None and item.argument in inspect.signature(function).parameters,  # type: ignore[arg-type]  # a hook is a function
            "method": function is not getattr(Provider, item.name, None),
        }
        if used[item.kind]:
            sentences.append(item.sentence(f"{plugin.__name__}.{item.name}"))
    return sentences


def breaches(plugin: Any) -> list[str]:
    """Return what is wrong with a plugin class, as sentences; empty if it keeps the contract."""
    if not (isinstance(plugin, type) and issubclass(plugin, Provider)):
        return [f"{_name(plugin)} is no subclass of orbit.Provider; the entry point must name one."]
    return [
        *_api_breaches(plugin),
        *_settings_breaches(plugin),
        *_method_breaches(plugin),
        *_hook_breaches(plugin),
    ]


def _api_breaches(plugin: type[Provider]) -> Iterator[str]:
    if plugin.ORBIT_API not in SUPPORTED_APIS:
        supported = ", ".join(map(str, SUPPORTED_APIS))
        yield (
            f"{plugin.__name__} was written for plugin API {plugin.ORBIT_API!r}; this host speaks {supported}. "
            "Install a version of the plugin, or of orbit-inference, that fits."
        )


def _settings_breaches(plugin: type[Provider]) -> Iterator[str]:
    settings: Any = plugin.Settings
    if not (isinstance(settings, type) and issubclass(settings, msgspec.Struct)):
        yield f"{plugin.__name__}.Settings must be a class derived from msgspec.Struct, not {_name(settings)}."
    elif not settings.__struct_config__.forbid_unknown_fields:
        yield (
            f"{plugin.__name__}.Settings must be declared with forbid_unknown_fields=True, "
            "so that a misspelt setting is an error."
        )


def _method_breaches(plugin: type[Provider]) -> Iterator[str]:
    """Breaches of the methods that ``Provider`` has itself: how they are made, and what the host calls them with."""
    for name, original in vars(Provider).items():
        function = getattr(plugin, name)
        if not inspect.isfunction(original) or function is original or not inspect.isfunction(function):
            continue
        where = f"{plugin.__name__}.{name}"
        if _kind(original) == "a coroutine function" and _kind(function) != "a coroutine function":
            yield f"{where} is {_kind(function)} but has to be a coroutine function; declare it with async def."
        elif _kind(original) == "a plain function" and _kind(function) == "a coroutine function":
            yield f"{where} is a coroutine function but has to be a plain function; declare it with def."
        passed = list(inspect.signature(original).parameters)
        try:
            inspect.signature(function).bind(*passed)
        except TypeError:
            yield f"{where} is called with {', '.join(passed[1:]) or 'nothing'}, which it does not take."


def _hook_breaches(plugin: type[Provider]) -> Iterator[str]:
    own = {name for name in dir(plugin) if not hasattr(Provider, name)}
    for name in sorted(own):
        function = inspect.getattr_static(plugin, name)
        function = getattr(function, "__func__", function)
        options = _options(function)
        where = f"{plugin.__name__}.{name}"
        if options is None:
            if name in HOOKS and callable(function):
                yield f"{where} has the name of a hook but is not marked; put @orbit.hookimpl above it."
            continue
        spec_name = options.get("specname") or name
        if spec_name not in HOOKS:
            yield f"{where}: there is no hook '{spec_name}'.{suggest(spec_name, HOOKS)} Hooks: {', '.join(HOOKS)}."
            continue
        if options.get("wrapper") or options.get("hookwrapper"):
            continue  # pluggy itself checks that a wrapper is a generator function
        yield from _kind_breaches(where, function, HOOKS[spec_name])
        yield from _argument_breaches(where, function, HOOKS[spec_name])


def _kind_breaches(where: str, function: Callable[..., Any], spec: Callable[..., Any]) -> Iterator[str]:
    if _kind(function) != _kind(spec):
        needed = {
            "a coroutine function": "declare it with async def, and run blocking work with asyncio.to_thread",
            "an async generator function": "declare it with async def and yield its chunks",
            "a plain function": "declare it with def",
        }[_kind(spec)]
        yield f"{where} is {_kind(function)} but the hook is {_kind(spec)}; {needed}."


def _argument_breaches(where: str, function: Callable[..., Any], spec: Callable[..., Any]) -> Iterator[str]:
    known = list(inspect.signature(spec).parameters)
    taken = [name for name in inspect.signature(function).parameters if name != "self"]
    for name in taken:
        if name not in known:
            passed = ", ".join(known) or "nothing"
            yield f"{where} takes '{name}', which the hook does not pass.{suggest(name, known)} It passes: {passed}."


def _hooks(plugin: type[Provider], *, wrappers: bool) -> tuple[str, ...]:
    """Return the hooks of a class's marked functions, whose names are the hooks' unless ``specname`` says otherwise."""
    functions = {
        name: function for name in dir(plugin) if _options(function := getattr(plugin, name, None)) is not None
    }
    found = {
        (_options(function) or {}).get("specname") or name
        for name, function in functions.items()
        if _wraps(function) == wrappers
    }
    return tuple(hook for hook in HOOKS if hook in found)


def _options(function: Any) -> dict[str, Any] | None:
    options = getattr(function, MARK, None)
    return options if isinstance(options, dict) else None


def _wraps(function: Any) -> bool:
    options = _options(function) or {}
    return bool(options.get("wrapper") or options.get("hookwrapper"))


def _kind(function: Callable[..., Any]) -> str:
    if inspect.isasyncgenfunction(function):
        return "an async generator function"
    if inspect.iscoroutinefunction(function):
        return "a coroutine function"
    return "a plain function"


def _name(value: Any) -> str:
    return repr(getattr(value, "__qualname__", value))
