"""Describes the models of a configuration: for operators, and for clients that choose one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from orbit.errors import OrbitError, ProviderError
from orbit.host.host import OrbitHost
from orbit.host.models.catalogue import Target
from orbit.types import CallContext, Capability, Health, Model
from orbit.upstreams import listed_name

_SHOWN: Final = 5
"""Models of a provider that a warning names."""


class ModelProvider(msgspec.Struct, frozen=True):
    """A provider of a model, with its name of the model. Nothing is known of it unless its server has told."""

    provider: str
    model: str
    window: int | None = None
    """Tokens that it reads and writes together."""
    supports: tuple[Capability, ...] = ()
    health: Health | None = None
    cooldown: float = 0.0
    """Seconds without requests that are left after a failure, in the worker that tells it."""


class ModelInfo(msgspec.Struct, frozen=True):
    """A model that clients or only providers may name, who answers for it, and which models take over."""

    name: str
    default: bool
    providers: tuple[ModelProvider, ...]
    fallback: tuple[str, ...] = ()
    internal: bool = False
    """Only providers may name it."""


def model_list(host: OrbitHost) -> list[ModelInfo]:
    """Return the models without asking anybody, the default first."""
    catalogue = host.catalogue
    return [
        ModelInfo(
            name,
            name == catalogue.default,
            tuple(
                ModelProvider(
                    target.provider,
                    target.model or host.registry.model(target.provider, "generate"),
                    cooldown=round(host.upstreams.of(target).cooldown, 1),
                )
                for target in catalogue.routes[name].targets
            ),
            catalogue.routes[name].fallback,
            catalogue.routes[name].internal,
        )
        for name in dict.fromkeys((*catalogue.names(), *catalogue.routes))
    ]


async def asked_models(
    host: OrbitHost, context: CallContext, health: Mapping[str, Health] | None = None
) -> list[ModelInfo]:
    """Return the models with what their providers say of them within ``timeouts.health``, and their health."""

    async def ask(each: ModelProvider) -> Model | None:
        try:
            async with asyncio.timeout(host.config.host.timeouts.health):
                return await host.listed_models.find(each.provider, each.model, context)
        except (ProviderError, TimeoutError):
            return None

    return await _described(host, ask, health or {})


async def known_models(host: OrbitHost, context: CallContext) -> list[ModelInfo]:
    """Return the models with what their providers have said of them. The host asks the others in the background."""

    def ask(each: ModelProvider) -> Awaitable[Model | None]:
        return host.listed_models.find_soon(each.provider, each.model, context)

    return await _described(host, ask, {})


async def unlisted(host: OrbitHost) -> str:
    """Name the models in ``models`` that their providers do not list; empty if there are none, or none can be known."""

    async def lacking(target: Target) -> str:
        try:
            async with asyncio.timeout(host.config.host.timeouts.health):
                found = await host.listed_models.of(target.provider, CallContext("start"))
        except (OrbitError, TimeoutError):
            return ""  # its health says that it is down
        names = [model.name for model in found]
        if listed_name(target.model, names) is not None:
            return ""
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return f"'{target.model}' of {target.provider}, which lists {', '.join(names[:_SHOWN]) or 'none'}{more}"

    asked = host.registry.implementing("models")
    targets = {
        target: None
        for route in host.catalogue.routes.values()
        for target in route.targets
        if target.model not in ("", host.registry.model(target.provider, "generate")) and target.provider in asked
    }
    absent = [sentence for sentence in await asyncio.gather(*map(lacking, targets)) if sentence]
    if not absent:
        return ""
    return f"`models` names models that their providers do not list, so that they may fail: {'; '.join(absent)}."


async def _described(
    host: OrbitHost, ask: Callable[[ModelProvider], Awaitable[Model | None]], states: Mapping[str, Health]
) -> list[ModelInfo]:
    """Return the models with what ``ask`` returns of each provider's, at the same time, and their health."""
    models = model_list(host)
    providers = {(each.provider, each.model): each for model in models for each in model.providers}
    found = dict(zip(providers, await asyncio.gather(*map(ask, providers.values())), strict=True))

    def told(each: ModelProvider) -> ModelProvider:
        model, state = found[each.provider, each.model], states.get(each.provider)
        said = {} if model is None else {"window": model.window, "supports": tuple(sorted(model.supports))}
        return msgspec.structs.replace(each, health=state, **said)

    return [msgspec.structs.replace(model, providers=tuple(told(each) for each in model.providers)) for model in models]
