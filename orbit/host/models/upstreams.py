"""Tracks each provider's load and failures, and the retry budget, for the routing of models."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import count
from typing import Final

from orbit.errors import OrbitError, ProviderError
from orbit.host.models.catalogue import Target
from orbit.host.providers.registry import Registry

_FIRST_REST: Final = 1.0
"""Seconds without requests after a failure. Each further failure doubles them."""
_LONGEST_REST: Final = 30.0
_LONGEST_WAIT: Final = 300.0
"""The longest time that a provider may ask for with ``Retry-After``, in seconds."""

_SHARE: Final = 0.2
_A_SECOND: Final = 3.0
_BURST: Final = 30.0
_MOST: Final = 300.0

_chosen = count(1)


class RetryBudget:
    """How often a request may go to a further provider: 20 % of all requests, and at least 3 a second.

    When everything fails, retries would double the load of what is left.
    """

    def __init__(self) -> None:
        self._left = _BURST
        self._at = time.monotonic()

    def request(self) -> None:
        """Count a request."""
        self._left = min(_MOST, self._left + _SHARE)

    def take(self) -> bool:
        """Take one retry; return whether there is one."""
        now = time.monotonic()
        if self._left < _BURST:
            self._left = min(_BURST, self._left + _A_SECOND * (now - self._at))
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Upstream:
    """A provider with one of its models, as seen by this process."""

    __slots__ = ("_chosen", "_failures", "_probing", "_until", "model", "provider", "running", "slow", "target")

    def __init__(self, target: Target, model: str) -> None:
        """``model`` is the provider's name of the model, for people."""
        self.target = target
        self.provider = target.provider
        self.model = model
        self.running = 0
        """Requests that it is answering."""
        self.slow = False
        """Whether its last failure was a timeout."""
        self._failures = 0
        self._until = -math.inf
        self._probing = False
        self._chosen = 0

    @property
    def load(self) -> tuple[int, int]:
        """The order in which equal upstreams are chosen: the least busy first, then the one that waited longest."""
        return self.running, self._chosen

    @property
    def until(self) -> float:
        """When its rest ends, in seconds of ``time.monotonic()``."""
        return self._until

    @property
    def cooldown(self) -> float:
        """Seconds until its rest ends; 0 if it may have requests."""
        return max(0.0, self._until - time.monotonic()) if self._failures else 0.0

    def is_ready(self, now: float) -> bool:
        """Return whether it may have a request. After its rest, one request probes it; others wait for the outcome."""
        return not self._failures or (now >= self._until and not self._probing)

    def begin(self) -> None:
        """Begin a request."""
        self.running += 1
        self._chosen = next(_chosen)
        self._probing = self._failures > 0

    def answered(self) -> None:
        """Note that it has begun to answer."""
        self._failures = 0
        self._probing = False

    def failed(self, error: OrbitError) -> None:
        """Note a failure: it rests for a while, or as long as it asked."""
        now = time.monotonic()
        if now >= self._until:  # requests that fail together are one failure
            self._failures += 1
        self._probing = False
        self.slow = not isinstance(error, ProviderError) or error.kind == "timeout"
        rest = min(_LONGEST_REST, _FIRST_REST * 2 ** min(self._failures - 1, 10))
        asked = getattr(error, "retry_after", 0) or 0
        self._until = now + max(rest, min(asked, _LONGEST_WAIT))

    def end(self) -> None:
        """End a request, whatever came of it."""
        self.running -= 1
        self._probing = False


class Upstreams:
    """The state of each provider with each of its models, shared by all who ask them, and the budget for retries."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[Target, Upstream] = {}
        self.budget = RetryBudget()

    def of(self, target: Target) -> Upstream:
        """Return the state of a provider with a model."""
        known = self._known.get(target)
        if known is None:
            model = target.model or self._registry.model(target.provider, "generate")
            known = self._known[target] = Upstream(target, model)
        return known


def in_order(groups: Sequence[Sequence[Upstream]]) -> list[Upstream]:
    """Return the upstreams of a model and its fallbacks in the order to try them.

    Those that rest come last. Those whose last failure was slow come only if all rest.
    """
    now = time.monotonic()
    ready: list[Upstream] = []
    resting: list[Upstream] = []
    for group in groups:
        known = {*ready, *resting}
        for upstream in sorted((item for item in group if item not in known), key=lambda item: item.load):
            (ready if upstream.is_ready(now) else resting).append(upstream)
    resting.sort(key=lambda item: item.until)
    return ready + [item for item in resting if not (ready and item.slow)]
