"""The provider instances of one server: registered with pluggy, started, stopped, and called one by one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pluggy

from orbit import hookspecs
from orbit.errors import ConfigError, OrbitError, PluginLoadError
from orbit.host.calls.calls import attributed
from orbit.host.calls.wrapping import straight, wrapped
from orbit.host.plugins.announce import announced
from orbit.host.plugins.load import Loaded
from orbit.host.plugins.verify import HOOKS, implemented_hooks, offered_hooks
from orbit.host.providers.lifetime import Lifetime
from orbit.provider import Provider
from orbit.types import Calibration, ModerationStage, Need

logger = logging.getLogger("orbit.plugins")

OPTIONAL_HOOKS = frozenset(
    {"fetch", "log", "read", "split", "rerank", "tools", "call_tool", "register_routes", "register_commands"}
)
"""Providers that implement only these hooks are optional: if one fails to start, the server starts without it."""


class Registry:
    """Provider instances in the order of the configuration.

    ``failed`` holds the reason for each instance that could not start. Instances are called one at a time, through the
    wrappers of the hook if there are any; awaiting, deadlines and errors are the caller's.
    """

    def __init__(self, loaded: Sequence[Loaded], kept: Collection[str] = ()) -> None:
        """``kept`` names instances that run already, on another registry; see ``take_over``."""
        self.loaded = tuple(loaded)
        self.kept = frozenset(kept)
        self.failed: dict[str, str] = {}
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._providers: dict[str, Provider] = {}
        self._started: list[Lifetime] = []
        self._nameless: set[tuple[str, str]] = set()
        for item in self.loaded:
            if item.provider is not None:
                self._manager.register(item.provider, name=item.section.name)
                self._providers[item.section.name] = item.provider

    def __getitem__(self, name: str) -> Provider:
        return self._providers[name]

    def __contains__(self, name: str) -> bool:
        return name in self._providers

    def names(self) -> tuple[str, ...]:
        """Return the instances that have not failed, in order."""
        return tuple(self._providers)

    def implementing(self, hook: str) -> tuple[str, ...]:
        """Return the instances that implement a hook, offer it and have not failed, in order."""
        return tuple(name for name, provider in self._providers.items() if hook in offered_hooks(provider))

    def caller(self, hook: str, name: str) -> Callable[..., Any]:
        """Return a function that calls ``hook`` of one instance, with the wrappers of all; arguments by name."""
        if hook not in HOOKS or name not in self.implementing(hook):
            raise LookupError(f"'{name}' does not implement {hook}")
        # Found by the instance: others that implement the hook, offering it or not, have no part in the call.
        found = getattr(self._manager.hook, hook).get_hookimpls()
        implementation = next(item for item in reversed(found) if item.plugin_name == name and not _wraps(item))
        wrappers = [item for item in found if _wraps(item) and self._providers[item.plugin_name].offers(hook)]
        return wrapped(hook, implementation, wrappers) if wrappers else straight(implementation)

    def callers(self, hook: str) -> dict[str, Callable[..., Any]]:
        """Return a caller for each instance that implements a hook."""
        return {name: self.caller(hook, name) for name in self.implementing(hook)}

    def model(self, name: str, hook: str) -> str:
        """Return the name of the model with which an instance answers ``hook``; empty if the plugin cannot say."""
        try:
            model: object = self._providers[name].model(hook)
        except Exception as error:  # noqa: BLE001  # a name for logs is not worth a turn
            model = error
        if isinstance(model, str):
            return model
        if (name, hook) not in self._nameless:
            self._nameless.add((name, hook))
            logger.warning(
                "%s.model('%s') gave %r instead of a name; this is a mistake in the plugin", name, hook, model
            )
        return ""

    def calibration(self, name: str, hook: str) -> Calibration | None:
        """Return the scale of an instance's scores. Raises PluginLoadError if the plugin gives no usable one."""
        try:
            scale: object = self._providers[name].calibration(hook)
        except Exception as error:
            raise PluginLoadError(name, f"calibration('{hook}') raised {type(error).__name__}: {error}") from error
        if scale is None or (isinstance(scale, Calibration) and scale.irrelevant < scale.certain):
            return scale
        raise PluginLoadError(name, f"calibration('{hook}') gave {scale!r} instead of an orbit.Calibration upwards.")

    def needs(self, name: str, hook: str) -> bool:
        """Return whether an instance calls a hook of another one."""
        return any(need.hook == hook for need in self._providers[name].needs())

    def filters(self, name: str) -> bool:
        """Return whether an instance keeps to filters and readers; not if the plugin cannot say."""
        try:
            return self._providers[name].filters() is True
        except Exception as error:  # noqa: BLE001  # it then gets no restricted passage
            logger.warning("%s.filters() raised %s: %s; it is treated as False", name, type(error).__name__, error)
            return False

    def moderates(self, name: str, stage: ModerationStage) -> bool:
        """Return whether an instance judges at a stage. Raises PluginLoadError if the plugin cannot say."""
        try:
            return bool(self._providers[name].moderates(stage))
        except Exception as error:
            reason = f"moderates('{stage}') raised {type(error).__name__}: {error}"
            raise PluginLoadError(name, f"it cannot be asked what it judges: {reason}") from error

    async def start(self, seconds: float, needed: Collection[str] | None = None, *, ready: bool = True) -> None:
        """Start the providers in order, then call ``ready`` of each. Each step has ``seconds``.

        ``needed`` removes all providers that implement none of these hooks, and that no such provider calls.
        ``ready=False`` skips the second step, for commands that repair what would keep a provider from becoming ready.
        If a required provider fails, raises PluginLoadError; any other is removed, and ``failed`` holds the reason.
        """
        if needed is not None:
            wanted = self._wanted(needed)
            for name in [name for name in self._providers if name not in wanted]:
                self._leave_out(name)
        for name, provider in list(self._providers.items()):
            if name not in self.kept:
                lifetime = Lifetime(provider)
                await self._guarded(name, "start", lifetime.enter, seconds)
                if name in self._providers:
                    self._started.append(lifetime)
        for name, provider in list(self._providers.items()) if ready else ():
            if name not in self.kept:
                await self._guarded(name, "become ready", provider.ready, seconds)

    def _wanted(self, hooks: Collection[str]) -> set[str]:
        """Return the instances that implement one of the hooks, and those that these call."""
        wanted: set[str] = set()
        called = {name for hook in hooks for name in self.implementing(hook)}
        while called := called - wanted:
            wanted |= called
            needs = [need for name in called for need in self._providers[name].needs()]
            called = {name for need in needs for name in self._able(need)}
        return wanted

    def _able(self, need: Need) -> tuple[str, ...]:
        """Return the instance that a need names; all that can, if it names a model or none."""
        able = self.implementing(need.hook)
        return (need.provider,) if need.provider in able else able

    def take_over(self, former: Registry) -> None:
        """Own the providers that run already from now on; ``former`` stops only the others."""
        moved = [item for item in former._started if self._providers.get(item.provider.name) is item.provider]
        former._started = [item for item in former._started if item not in moved]
        order = list(self._providers)
        self._started = sorted([*moved, *self._started], key=lambda item: order.index(item.provider.name))

    async def stop(self, seconds: float) -> None:
        """Leave the started providers in reverse order. One that raises or hangs does not keep the others open."""
        while self._started:
            await self._exit(self._started.pop(), seconds)

    async def _guarded(self, name: str, step: str, action: Callable[[], Any], seconds: float) -> None:
        entering = step == "start"
        doing = f"starting {name}" if entering else f"waiting for {name} to {step}"
        try:
            with announced(doing, f"; it may take up to {seconds:g} s (timeouts.start)"):
                async with asyncio.timeout(seconds):
                    await action()
        except Exception as error:  # whatever a plugin raises is reported under its name
            reason = _reason(error, name, step, seconds)
            for lifetime in [item for item in self._started if item.provider.name == name]:
                self._started.remove(lifetime)
                await self._exit(lifetime, seconds)
            self.failed[name] = reason
            self._leave_out(name)
            if self._required(name):
                raise PluginLoadError(name, f"it could not {step}: {reason}") from error
            logger.warning("%s could not %s and is left out: %s", name, step, reason)

    async def _exit(self, lifetime: Lifetime, seconds: float) -> None:
        name = lifetime.provider.name
        try:
            async with asyncio.timeout(seconds):
                await lifetime.leave()
        except Exception as error:  # noqa: BLE001  # a plugin that fails to stop must not stop the shutdown
            reason = _reason(error, name, "stop", seconds)
            logger.error("%s did not stop cleanly: %s", name, reason)  # noqa: TRY400  # the reason is enough

    def _leave_out(self, name: str) -> None:
        provider = self._providers.pop(name)
        self._manager.unregister(provider)

    def _required(self, name: str) -> bool:
        item = next(item for item in self.loaded if item.section.name == name)
        if item.section.required is not None:
            return item.section.required
        assert item.provider is not None  # it was started
        return not OPTIONAL_HOOKS.issuperset(implemented_hooks(type(item.provider)))


def _wraps(implementation: pluggy.HookImpl) -> bool:
    return implementation.wrapper or implementation.hookwrapper


def _reason(error: BaseException, name: str, step: str, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"it took longer than {seconds:g} s (timeouts.{'stop' if step == 'stop' else 'start'})."
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, OrbitError):
        return getattr(error, "message", str(error))
    return attributed(error, name, step).message if not isinstance(error, OSError) else str(error)
