"""The models that clients may name: who answers for each, and which take over if nobody can."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from orbit.config.convert import suggest
from orbit.config.model import Config
from orbit.config.models import ModelOptions, ModelSettings, listed
from orbit.errors import OrbitError, Problem
from orbit.host.providers.needs import cannot
from orbit.host.providers.registry import Registry
from orbit.types import GenerateOptions
from orbit.upstreams import listed_name

_KEYS: Final = 1000
"""How many different choices of models are remembered."""
ALIAS: Final = "orbit"
"""A name of the default model, for clients that insist on one."""


class UnknownModel(OrbitError):
    """No model of this name exists."""

    code = "model_not_found"
    param = "model"

    def __init__(self, asked: str, names: Sequence[str], kind: str = "") -> None:
        """``names`` are those of the models of this ``kind`` that exist, for whoever asked."""
        self.client = f"The model '{asked[:200]}' does not exist here. Models: {', '.join(names) or 'none'}."
        if kind and not names:
            self.client = f"This server has no {kind} model."
        super().__init__(self.client)


class Target(msgspec.Struct, frozen=True):
    """A provider instance, and its name of the model; empty for the configured one."""

    provider: str
    model: str = ""


class Route(msgspec.Struct, frozen=True):
    """A model that clients may name. ``targets`` share its load; ``fallback`` names the models that take over."""

    name: str
    targets: tuple[Target, ...]
    fallback: tuple[str, ...] = ()
    options: ModelOptions = ModelOptions()
    internal: bool = False


def with_own(options: GenerateOptions, own: ModelOptions | None, model: str) -> GenerateOptions:
    """Return the options of a request with those of a model where the request has none, for a provider's ``model``."""
    changes: dict[str, Any] = {}
    if own is not None:
        changes = {
            name: value
            for name in ModelOptions.__struct_fields__
            if (value := getattr(own, name)) not in (None, ()) and getattr(options, name) in (None, ())
        }
    if model:
        changes["model"] = model
    return msgspec.structs.replace(options, **changes) if changes else options


class Catalogue:
    """The models of a configuration. ``created`` is its time, in Unix seconds."""

    def __init__(self, routes: Mapping[str, Route], default: str, created: int, *, configured: bool) -> None:
        """Keep the models by name. ``configured`` says whether the models have a section of their own."""
        self.routes = routes
        self.default = default
        self.created = created
        self.configured = configured
        public = [name for name, route in routes.items() if not route.internal]
        self._names = tuple(dict.fromkeys((default, *public))) if default else tuple(public)
        self._existing = lru_cache(_KEYS)(self._those_that_exist)

    def names(self, allowed: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the names for clients, the default first: all, or those of a key's models that exist."""
        return self._existing(tuple(allowed)) if allowed else self._names

    def listed(self, allowed: Sequence[str] = ()) -> tuple[str, ...]:
        """Return all names that a request may use, as clients read them: the alias follows the default."""
        names = self.names(allowed)
        return names if self.configured or not names else (names[0], ALIAS, *names[1:])

    def _those_that_exist(self, allowed: tuple[str, ...]) -> tuple[str, ...]:
        found = (_matching(name, self._names) for name in allowed)
        return tuple(dict.fromkeys(name for name in found if name is not None))

    def missing(self, allowed: Sequence[str]) -> tuple[str, ...]:
        """Return the names of a key's models that do not exist."""
        return missing_from(self._names, allowed)

    def find(self, asked: str, allowed: Sequence[str] = ()) -> str:
        """Return the name of the model that a request asks for; empty is the default. Raises UnknownModel.

        ``allowed`` are the models of the key, none for all. ``:latest`` and upper or lower case make no difference, as
        with the servers of models.
        """
        names = self._existing(tuple(allowed)) if allowed else self._names
        if asked in names:
            return asked
        if names and (not asked or asked.casefold() == ALIAS):
            return names[0]
        found = _matching(asked, names)
        if found is None:
            raise UnknownModel(asked or next(iter(allowed), ""), self.listed(allowed))
        return found

    def chain(self, name: str) -> tuple[Route, ...]:
        """Return a model and those that take over from it, in order, each once."""
        found: dict[str, Route] = {}

        def follow(name: str) -> None:
            if name not in found:
                route = found[name] = self.routes[name]
                for other in route.fallback:
                    follow(other)

        follow(name)
        return tuple(found.values())


def missing_from(names: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """Return those of the asked names that mean none of ``names``."""
    return tuple(name for name in asked if _matching(name, names) is None)


def _matching(asked: str, names: Sequence[str]) -> str | None:
    """Return the name that a name means: itself, or one that differs only in case or ``:latest``."""
    return asked if asked in names else next((name for name in names if listed_name(asked, (name,))), None)


def default_provider(config: Config) -> str:
    """Return the first provider of the default model; empty without a section of models."""
    name = _default(config)
    settings = config.host.models.named.get(name)
    return next(iter(listed(settings.provider)), "") if settings else ""


def catalogue(config: Config, registry: Registry, generating: str) -> Catalogue:
    """Return the models of a configuration without problems. ``generating`` is the selected instance."""
    settings = config.host.models
    if settings.named:
        routes = {name: _route(name, model) for name, model in settings.named.items()}
        return Catalogue(routes, _default(config), _time_of(config), configured=True)
    instances = sorted(registry.implementing("generate"), key=lambda name: name != generating)
    models = {name: registry.model(name, "generate") or name for name in instances}
    counts = Counter(models.values())
    names = {
        name: model if counts[model] == 1 or name == generating else name for name, model in models.items()
    }  # two instances with one model: the selected one has its name
    routes = {model: Route(model, (Target(name),)) for name, model in names.items()}
    return Catalogue(routes, names.get(generating, ""), _time_of(config), configured=False)


def model_problems(config: Config, registry: Registry) -> Iterator[Problem]:
    """Yield the mistakes in the section ``models``."""
    settings = config.host.models
    names = tuple(settings.named)
    known = ", ".join(names) or "none"
    if settings.default and settings.default not in names:
        hint = suggest(settings.default, names)
        yield Problem("models.default", f"there is no model '{settings.default}'.{hint} Models: {known}.")
    elif settings.default and settings.named[settings.default].internal:
        yield Problem("models.default", f"'{settings.default}' is internal, so requests cannot have it by default.")
    elif not _default(config) and names:
        yield Problem("models.default", f"is missing: name the model for requests that name none. Models: {known}.")
    for name, model in settings.named.items():
        path = f"models.{name}"
        if not name.strip() or name.casefold() == ALIAS:
            yield Problem(path, f"'{name}' cannot be the name of a model: '{ALIAS}' is the default model.")
        yield from _provider_problems(f"{path}.provider", model, config, registry)
        for other in listed(model.fallback):
            if other not in names:
                hint = suggest(other, names)
                yield Problem(f"{path}.fallback", f"there is no model '{other}'.{hint} Models: {known}.")
    yield from _circles(settings.named)


def _provider_problems(path: str, model: ModelSettings, config: Config, registry: Registry) -> Iterator[Problem]:
    able = registry.implementing("generate")
    if not listed(model.provider):
        yield Problem(path, f"is empty: name a provider. Providers that can generate: {', '.join(able) or 'none'}.")
    for provider in listed(model.provider):
        if provider not in able:
            can = ", ".join(able) or "none"
            sentence = f"{cannot(config, registry, provider, 'generate')}.{suggest(provider, able)}"
            yield Problem(path, f"{sentence} Providers that can: {can}.")
        elif model.model and (reason := registry[provider].refuses_model(model.model)):
            where = path.removesuffix("provider") + "model"
            yield Problem(where, f"'{provider}' cannot answer with the model '{model.model}': {reason}")


def _circles(named: Mapping[str, ModelSettings]) -> Iterator[Problem]:
    """Yield a problem for each circle of fallbacks, once."""
    done: set[str] = set()
    path: list[str] = []

    def follow(name: str) -> Iterator[Problem]:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            yield Problem(f"models.{path[-1]}.fallback", f"leads back to where it came from: {circle}.")
        elif name in named and name not in done:
            path.append(name)
            for other in listed(named[name].fallback):
                yield from follow(other)
            path.pop()
            done.add(name)

    for name in named:
        yield from follow(name)


def _route(name: str, model: ModelSettings) -> Route:
    targets = tuple(dict.fromkeys(Target(provider, model.model) for provider in listed(model.provider)))
    return Route(name, targets, listed(model.fallback), model.options, model.internal)


def _default(config: Config) -> str:
    settings = config.host.models
    public = [name for name, model in settings.named.items() if not model.internal]
    return settings.default or (public[0] if len(public) == 1 else "")


def _time_of(config: Config) -> int:
    """Return when the configuration was written, which all workers agree on; else the present time."""
    with suppress(OSError):
        return int(Path(config.source).stat().st_mtime)
    return int(time.time())
