"""The models of the generating instances, and what each supports."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Final

from orbit.errors import OrbitError
from orbit.host.calls.calls import call, is_list_of, wrong_type
from orbit.host.providers.registry import Registry
from orbit.types import CallContext, Capability, Model
from orbit.upstreams import listed_name

logger = logging.getLogger("orbit.host")

_FRESH_SECONDS: Final = 60.0
_PATIENCE_SECONDS: Final = 0.25
"""Seconds for the first answer of an instance, where one that hangs must not hold up the others."""


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
        self._asking: dict[str, tuple[asyncio.Task[None], float]] = {}
        """The question to each instance under way, and when nobody waits for it any more."""

    async def aclose(self) -> None:
        """Stop asking in the background."""
        tasks = [task for task, _ in self._asking.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def of(self, name: str, context: CallContext) -> tuple[Model, ...]:
        """Return the models of an instance, its configured one first. Raises ProviderError."""
        if name not in self._callers:
            return (Model(self._registry.model(name, "generate")),)
        return self._fresh(name) or await self._ask(name, context)

    async def find_soon(self, name: str, model: str, context: CallContext) -> Model | None:
        """Return a model like ``find``, from the last answer of its instance; None if there is none yet.

        An answer that is not fresh is renewed in the background. Only the first one is waited for, and not for long.
        """
        if name in self._callers and not self._fresh(name):
            if name not in self._asking:
                task = asyncio.create_task(self._renew(name, context), name="ask for models")
                self._asking[name] = (task, time.monotonic() + _PATIENCE_SECONDS)
            task, until = self._asking[name]
            if name not in self._known:
                await asyncio.wait((task,), timeout=max(0.0, until - time.monotonic()))
            if name not in self._known:
                return None
        return self._found(name, model, self._known[name][1] if name in self._callers else await self.of(name, context))

    def _fresh(self, name: str) -> tuple[Model, ...]:
        """Return the last answer of an instance; empty if it is old."""
        asked, models = self._known.get(name, (0.0, ()))
        return models if time.monotonic() - asked < _FRESH_SECONDS else ()

    async def _renew(self, name: str, context: CallContext) -> None:
        try:
            await self._ask(name, context)
        except OrbitError as error:
            logger.debug("the models of %s are not known: %s", name, error)
        finally:
            del self._asking[name]

    async def _ask(self, name: str, context: CallContext) -> tuple[Model, ...]:
        caller = self._callers[name]
        found: Any = await call(name, "models", lambda: caller(context=context), self._seconds)
        if not is_list_of(found, Model):
            raise wrong_type(name, "models", "a list of Models", found)
        models = tuple(found)
        self._known[name] = (time.monotonic(), models)
        return models

    async def supports(self, name: str, model: str, context: CallContext) -> frozenset[Capability]:
        """Return what a model of an instance (empty: its configured one) supports. Raises ProviderError.

        Servers do not list all that they have, so a model that is not listed counts as able as the configured one: the
        server itself refuses what is too much.
        """
        listed = await self.of(name, context)
        found = self._found(name, model, listed) or next(iter(listed), None)
        return found.supports if found is not None else frozenset()

    async def find(self, name: str, model: str, context: CallContext) -> Model | None:
        """Return a model of an instance (empty: its configured one); None if it is not listed. Raises ProviderError."""
        return self._found(name, model, await self.of(name, context))

    def _found(self, name: str, model: str, listed: tuple[Model, ...]) -> Model | None:
        wanted = model or self._registry.model(name, "generate")
        if listed and listed[0].name == wanted:  # the usual case, and lists may be long
            return listed[0]
        models = sorted(listed, key=lambda item: item.name != wanted)
        if not wanted:
            return models[0] if models else None
        return next((item for item in models if listed_name(wanted, [item.name])), None)
