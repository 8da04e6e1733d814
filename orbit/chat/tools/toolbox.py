"""The tools of the host's providers: who may use which, and calling them."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, NamedTuple

from orbit.config.model import Timeouts, ToolsSettings
from orbit.errors import OrbitError
from orbit.host.calls.calls import Outcome, attributed, fan_out, is_list_of, wrong_type
from orbit.host.providers.registry import Registry
from orbit.types import CallContext, Tool, ToolCall, ToolResult

logger = logging.getLogger("orbit.tools")

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST: Final = 128
"""Most tools of the host in one answer; services of models take no more."""


class Owned(NamedTuple):
    """A tool and the provider instance that calls it."""

    tool: Tool
    provider: str


class _Known(NamedTuple):
    """What the providers have listed, and the tools of these that keys with some patterns may use."""

    listed: list[tuple[str, Any]]
    found: dict[str, Owned]


class Toolbox:
    """The providers of tools of a host. ``failed`` reports a failure that the client does not notice."""

    def __init__(
        self,
        registry: Registry,
        settings: ToolsSettings,
        timeouts: Timeouts,
        failed: Callable[[str, OrbitError], None],
    ) -> None:
        self.settings = settings
        self._timeouts = timeouts
        self._failed = failed
        self._call = registry.callers("call_tool")
        self._list = {name: caller for name, caller in registry.callers("tools").items() if name in self._call}
        self._told: set[str] = set()
        self._known: dict[tuple[str, ...], _Known] = {}
        """The last tools by the patterns of keys, so that a turn only compares the lists of providers with these."""

    @property
    def available(self) -> bool:
        """Whether any provider has tools."""
        return bool(self._list)

    def allows(self, context: CallContext) -> bool:
        """Return whether a key may use any tool."""
        return self._patterns(context) != ()

    async def tools(self, context: CallContext) -> Mapping[str, Owned]:
        """Return the tools that a key may use, by name. A provider that fails has none."""
        patterns = self._patterns(context)
        if patterns == ():
            return {}
        outcomes: list[Outcome[Any]] = await fan_out(
            "tools",
            [(name, partial(caller, context=context)) for name, caller in self._list.items()],
            self._timeouts.tools,
        )
        listed = [(outcome.provider, outcome.value) for outcome in outcomes]
        known = self._known.get(patterns)
        if known is not None and known.listed == listed:
            return known.found
        self._known.pop(patterns, None)
        found: dict[str, Owned] = {}
        whole = True
        for outcome in outcomes:
            error = outcome.error
            if error is None and not is_list_of(outcome.value, Tool):
                error = wrong_type(outcome.provider, "tools", "a list of Tools", outcome.value)
            if error is not None:
                self._failed("answering without its tools", attributed(error, outcome.provider, "tools"))
                whole = False
                continue
            for tool in outcome.value or ():
                self._add(found, tool, outcome.provider, patterns)
        if whole:
            self._known[patterns] = _Known([(name, copy(value)) for name, value in listed], found)
        return found

    async def call(self, calls: Sequence[tuple[str, ToolCall]], context: CallContext) -> list[Outcome[Any]]:
        """Make calls at the same time, each of its provider. A value is a ToolResult."""
        outcomes: list[Outcome[Any]] = await fan_out(
            "call_tool",
            [(name, partial(self._call[name], call=call, context=context)) for name, call in calls],
            self._timeouts.call_tool,
        )
        return [self._checked(outcome, call.name) for outcome, (_, call) in zip(outcomes, calls, strict=True)]

    def _checked(self, outcome: Outcome[Any], tool: str) -> Outcome[Any]:
        error = outcome.error
        if error is None and not isinstance(outcome.value, ToolResult):
            error = wrong_type(outcome.provider, "call_tool", "a ToolResult", outcome.value)
        if error is None:
            return outcome
        error = attributed(error, outcome.provider, "call_tool")
        self._failed(f"the tool {tool} failed", error)
        return Outcome(outcome.provider, outcome.seconds, error=error)

    def _patterns(self, context: CallContext) -> tuple[str, ...]:
        """Return the patterns of the tools that a key may use."""
        allow = self.settings.allow
        if not allow:
            return ("*",)
        for name in (context.key_id, context.client_name, "*"):
            if name and name in allow:
                return allow[name]
        return ()

    def _add(self, found: dict[str, Owned], tool: Tool, provider: str, patterns: tuple[str, ...]) -> None:
        """Add a tool if it can be used; tell operators once why it cannot."""
        if not _NAME.fullmatch(tool.name):
            self._tell(f"the tool {tool.name[:100]!r} of {provider} has a name that models cannot call; it is left out")
        elif not any(fnmatchcase(tool.name, pattern) for pattern in patterns):
            return
        elif tool.name in found:
            other = found[tool.name].provider
            self._tell(f"{other} and {provider} both have a tool {tool.name}; the one of {other} is used")
        elif len(found) >= _MOST:
            self._tell(f"there are more than {_MOST} tools; {tool.name} of {provider} is left out (tools.allow)")
        else:
            found[tool.name] = Owned(tool, provider)

    def _tell(self, sentence: str) -> None:
        if sentence not in self._told and len(self._told) < _MOST:
            self._told.add(sentence)
            logger.warning("%s", sentence)
