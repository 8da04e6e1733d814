"""The models of the generating instances, and what each supports."""

from __future__ import annotations

import time
from typing import Any, Final

from orbit.host.calls.calls import call, is_list_of, wrong_type
from orbit.host.providers.registry import Registry
from orbit.types import CallContext, Capability, Model
from orbit.upstreams import listed_name

_FRESH_SECONDS: Final = 60.0


class Models:
    """Asks the instances for their models, and remembers each answer for a minute.

    An instance without the hook ``models`` has one model, which supports text only.
    """

    def __init__(self, registry: Registry, seconds: float) -> None:
        """``seconds`` is the deadline of the hook."""
        self._registry = registry
        self._seconds = seconds
        self._callers = registry.callers("models")
        self._known: dict[str, tuple[float, tuple[Model, ...]]] = {}

    async def of(self, name: str, context: CallContext) -> tuple[Model, ...]:
        """Return the models of an instance, its configured one first. Raises ProviderError."""
        if name not in self._callers:
            return (Model(self._registry.model(name, "generate")),)
        asked, models = self._known.get(name, (0.0, ()))
        if models and time.monotonic() - asked < _FRESH_SECONDS:
            return models
        caller = self._callers[name]
        found: Any = await call(name, "models", lambda: caller(context=context), self._seconds)
        if not is_list_of(found, Model):
            raise wrong_type(name, "models", "a list of Models", found)
        models = tuple(found)
        self._known[name] = (time.monotonic(), models)
        return models

    async def supports(self, name: str, model: str, context: CallContext) -> frozenset[Capability]:
        """Return what a model of an instance (empty: its configured one) supports. Raises ProviderError."""
        found = await self.find(name, model, context)
        return found.supports if found is not None else frozenset()

    async def find(self, name: str, model: str, context: CallContext) -> Model | None:
        """Return a model of an instance (empty: its configured one); None if it is not listed. Raises ProviderError."""
        wanted = model or self._registry.model(name, "generate")
        models = sorted(await self.of(name, context), key=lambda item: item.name != wanted)
        if not wanted:
            return models[0] if models else None
        return next((item for item in models if listed_name(wanted, [item.name])), None)
