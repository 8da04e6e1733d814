"""Checks that a plugin class follows the plugin API. Each breach is one sentence that says how to fix it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from orbit import hookspecs
from orbit.config.convert import suggest
from orbit.host.plugins.deprecations import DEPRECATIONS
from orbit.host.plugins.verify_settings import settings_breaches
from orbit.provider import ORBIT_API, Provider

MARK = f"{hookspecs.PROJECT}_impl"
SUPPORTED_APIS = range(1, ORBIT_API + 1)

HOOKS: dict[str, Callable[..., Any]] = {
    name: function for name, function in vars(hookspecs).items() if hasattr(function, f"{hookspecs.PROJECT}_spec")
}
"""Each hook's name and specification, in the order of ``orbit.hookspecs``."""


def implemented_hooks(plugin: type[Provider]) -> tuple[str, ...]:
    """Return the hooks that a class implements, without those it only wraps, in the order of the specifications."""
    return _hooks(plugin, wrappers=False)  # type: ignore[arg-type]  # mypy takes a class for one of its instances


def offered_hooks(provider: Provider) -> tuple[str, ...]:
    """Return the hooks that an instance implements and can serve with its current settings."""
    return tuple(hook for hook in implemented_hooks(type(provider)) if provider.offers(hook))


def wrapped_hooks(plugin: type[Provider]) -> tuple[str, ...]:
    """Return the hooks that a class wraps, in the order of the specifications."""
    return _hooks(plugin, wrappers=True)  # type: ignore[arg-type]  # the same


def deprecations(plugin: type[Provider]) -> list[str]:
    """Return a sentence for the author about each deprecated part of the plugin API that a class uses."""
    sentences = []
    for item in DEPRECATIONS:
        function: Any = getattr(plugin, item.name, None)
        used = {
            "hook": _options(function) is not None,
            "argument": _options(function) is not None and item.argument in inspect.signature(function).parameters,
            "method": function is not getattr(Provider, item.name, None),
        }
        if used[item.kind]:
            sentences.append(item.sentence(f"{plugin.__name__}.{item.name}"))
    if not plugin.Settings.__struct_config__.frozen:
        sentences.append(f"{plugin.__name__}.Settings should be declared with frozen=True: settings never change.")
    return sentences


def breaches(plugin: Any) -> list[str]:
    """Return a sentence for each breach of the plugin API; an empty list if the class follows it."""
    if not (isinstance(plugin, type) and issubclass(plugin, Provider)):
        return [f"{_name(plugin)} is {_what(plugin)}, no subclass of orbit.Provider; the entry point must name one."]
    return [
        *_api_breaches(plugin),
        *settings_breaches(plugin.__name__, plugin.Settings),
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


def _method_breaches(plugin: type[Provider]) -> Iterator[str]:
    """Yield the breaches in overridden methods of ``Provider``: wrong kind of function, or wrong arguments."""
    for name, original in vars(Provider).items():
        function = getattr(plugin, name)
        if not inspect.isfunction(original) or function is original or not inspect.isfunction(function):
            continue
        where = f"{plugin.__name__}.{name}"
        if _kind(original) == "a coroutine function" and _kind(function) != "a coroutine function":
            yield f"{where} is {_kind(function)} but has to be a coroutine function; declare it with async def."
        elif _kind(original) == "a plain function" and _kind(function).startswith(("a coroutine", "an async")):
            yield f"{where} is {_kind(function)} but has to be a plain function; declare it with def."
        passed = list(inspect.signature(original).parameters)
        try:
            inspect.signature(function).bind(*passed)
        except TypeError:
            yield f"{where} is called with {', '.join(passed[1:]) or 'nothing'}, which it does not take."


def _hook_breaches(plugin: type[Provider]) -> Iterator[str]:
    for name in dir(plugin):
        static = inspect.getattr_static(plugin, name, None)
        function = getattr(static, "__func__", static)
        options = _options(function)
        where = f"{plugin.__name__}.{name}"
        if options is None:
            if name in HOOKS and callable(function):
                yield f"{where} has the name of a hook but is not marked; put @orbit.hookimpl above it."
            continue
        if hasattr(Provider, name):
            yield f"{where} is a method of orbit.Provider, no hook; leave @orbit.hookimpl out."
            continue
        spec_name = options.get("specname") or name
        if spec_name not in HOOKS:
            yield f"{where}: there is no hook '{spec_name}'.{suggest(spec_name, HOOKS)} Hooks: {', '.join(HOOKS)}."
            continue
        if not inspect.isfunction(function):
            yield f"{where} is {_what(function)} but a hook is a function; declare it with def or async def."
            continue
        if _wraps(function):
            yield from _wrapper_breaches(where, function, options)
        else:
            yield from _kind_breaches(where, function, HOOKS[spec_name])
        yield from _argument_breaches(where, static, HOOKS[spec_name])
    hooks = implemented_hooks(plugin)
    for name, other in (("tools", "call_tool"), ("call_tool", "tools")):
        if name in hooks and other not in hooks:
            yield f"{plugin.__name__} implements {name} but not {other}; a provider of tools needs both."


def _wrapper_breaches(where: str, function: Callable[..., Any], options: dict[str, Any]) -> Iterator[str]:
    if options.get("wrapper") and options.get("hookwrapper"):
        yield f"{where} is marked with both wrapper=True and its older form hookwrapper=True; leave the latter out."
    if not inspect.isgeneratorfunction(function):
        mark = "wrapper=True" if options.get("wrapper") else "hookwrapper=True"
        yield (
            f"{where} is marked with {mark} but is {_kind(function)}; a wrapper is a plain generator function: "
            "declare it with def, yield once to get what it wraps, and return what takes its place."
        )


def _kind_breaches(where: str, function: Callable[..., Any], spec: Callable[..., Any]) -> Iterator[str]:
    iterable = _kind(spec) == "a plain function" and inspect.isgeneratorfunction(function)
    if _kind(function) != _kind(spec) and not iterable:
        needed = {
            "a coroutine function": "declare it with async def, and run blocking work with asyncio.to_thread",
            "an async generator function": "declare it with async def and yield in it",
            "a plain function": "declare it with def",
        }[_kind(spec)]
        yield f"{where} is {_kind(function)} but the hook is {_kind(spec)}; {needed}."


def _argument_breaches(where: str, static: Any, spec: Callable[..., Any]) -> Iterator[str]:
    """Yield the breaches in a hook's arguments. ``static`` is the class attribute, unbound."""
    known = list(inspect.signature(spec).parameters)
    passed = ", ".join(known) or "nothing"
    taken = list(inspect.signature(getattr(static, "__func__", static)).parameters.values())
    if not isinstance(static, staticmethod):
        if not taken or taken[0].name in known:
            yield f"{where} does not take self; make it the first argument."
        taken = [argument for argument in taken[1:] if argument.name != "self"]
    for argument in taken:
        if argument.name not in known:
            yield (
                f"{where} takes '{argument.name}', which the hook does not pass.{suggest(argument.name, known)} "
                f"It passes: {passed}."
            )
        elif argument.kind is argument.KEYWORD_ONLY:
            yield f"{where} takes '{argument.name}' by keyword only, but is passed it by position; remove the *."


@cache  # a server asks some hundred times as it starts
def _hooks(plugin: type[Provider], *, wrappers: bool) -> tuple[str, ...]:
    """Return the hooks that a class marks. A function's name is its hook's name unless ``specname`` gives another."""
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
    if inspect.isgeneratorfunction(function):
        return "a generator function"
    return "a plain function"


def _what(value: Any) -> str:
    kinds = {type: "a class", types.FunctionType: "a function", types.ModuleType: "a module"}
    return next((words for kind, words in kinds.items() if isinstance(value, kind)), f"of type {type(value).__name__}")


def _name(value: Any) -> str:
    return repr(getattr(value, "__qualname__", value))
