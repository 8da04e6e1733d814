"""Assigns the context's sequences to requests, and finds what a new prompt can reuse from them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.prefixes import Snapshot, Snapshots, shared_length
from orbit_llamacpp.engine.request import Request

_FEWEST_COPIED: Final = 8
_SHARE_COPIED: Final = 1 / 64
"""Copy a prefix only if it has at least this many tokens and is this share of everything that must be copied with it.
On CPUs, copying a token is a thousand times faster than reading it, on GPUs some ten times. Reuse in place is free.
"""

_FEWEST_KEPT: Final = 32
"""A sequence that loses fewer tokens than this to its next prompt is not saved first."""

_KEEP_IN_PLACE: Final = 0.5


class Slots:
    """Assigns sequences to requests. A released sequence keeps its prompt until another request needs it.

    Only tokens read as part of a prompt are ever reused. Its last token and the answer are computed token by token,
    with other rounding, and a conversation's next turn must not depend on whether its last answer was still in memory.
    """

    def __init__(self, context: Context, count: int, snapshot_bytes: int, *, reuse: bool, copies: bool) -> None:
        """Set ``reuse`` to False for models whose state cannot be truncated at any position.

        Without ``copies``, a prompt only continues in the sequence that has read it. llama.cpp's copy of a sliding
        window contains only what its end still sees, and cannot be cut to a shorter prefix.
        """
        self._context = context
        self._reuse = reuse
        self._copies = reuse and copies
        self._idle: OrderedDict[int, list[int]] = OrderedDict((number, []) for number in range(count))
        self.running: list[Request] = []
        self.snapshots = Snapshots(snapshot_bytes if self._copies else 0)

    def __bool__(self) -> bool:
        return bool(self._idle)

    def reusable(self, request: Request) -> int:
        """Return how many tokens of a waiting prompt ``begin`` would reuse now."""
        return self._source(request)[0]

    def has(self, request: Request) -> bool:
        """Return whether a waiting prompt is in memory but for its last token."""
        return self.reusable(request) == len(request.prompt) - 1

    def expected(self, request: Request) -> int:
        """Return how many tokens it could reuse once the current prompts are read."""
        if not self._copies:
            return 0
        others = (other for other in self.running if other.rest and other.started)
        return self._usable(request, max((shared_length(request.prompt, other.prompt) for other in others), default=0))

    def take(self, request: Request) -> None:
        """Assign a sequence to a request. ``begin`` then reuses its prefix."""
        _, source = self._best(request)
        busy = {running.sequence for running in self.running}
        beside = (number for number in self._idle if busy & {number - 1, number + 1})
        number = next(beside, next(iter(self._idle)))  # neighbours are decoded together: see Context.advance
        if isinstance(source, int) and source in self._idle:
            tokens = self._idle[source]
            if shared_length(tokens, request.prompt) >= len(tokens) * _KEEP_IN_PLACE:
                number = source
        request.sequence = number
        self.running.append(request)
        request.previous = self._idle.pop(number)

    def begin(self, request: Request) -> None:
        """Reuse what was read before and forget the rest of the sequence. Sets ``position`` and ``cached``."""
        length, source = self._source(request)
        previous, request.previous = request.previous, []
        if len(previous) - (length if source is None else 0) >= _FEWEST_KEPT:
            self._keep(request.sequence, previous)
        if source is not None:
            state = source.state if isinstance(source, Snapshot) else self._context.save(source)
            self._context.truncate(request.sequence, 0)
            self._context.restore(request.sequence, state)
            if isinstance(source, Snapshot):
                self.snapshots.touch(source)
        self._context.truncate(request.sequence, length)
        request.position = request.cached = length

    def leave(self, request: Request) -> None:
        """Release a finished or cancelled request, and keep the reusable part of its sequence."""
        self.running.remove(request)
        if request.sequence < 0:
            return
        if request.started:
            kept = request.read if self._reuse else []
            self._context.truncate(request.sequence, len(kept))
        else:
            kept = request.previous
        self._idle[request.sequence] = kept
        request.close()

    def _source(self, request: Request) -> tuple[int, int | Snapshot | None]:
        """Return how many tokens a prompt with a sequence can reuse, and from where; None is its own sequence."""
        own = self._usable(request, shared_length(request.previous, request.prompt)) if self._reuse else 0
        length, source = self._best(request) if self._copies else (0, None)
        return (own, None) if own >= length or length < _FEWEST_COPIED else (length, source)

    def _usable(self, request: Request, common: int) -> int:
        """Leave the last token to decode, and before it none or at least two: none of them is ever read alone."""
        whole = len(request.prompt) - 1
        return whole if common >= whole else max(0, min(common, whole - 2))

    def _best(self, request: Request) -> tuple[int, int | Snapshot | None]:
        """Return the longest prefix in memory: in a sequence (its number) or a snapshot."""
        if not self._reuse:
            return 0, None
        length, source = 0, None
        sources: list[tuple[int, list[int]]] = list(self._idle.items())
        if self._copies:
            sources += [(r.sequence, r.read) for r in self.running if r is not request and r.started]
        found: int | Snapshot | None = None
        for number, tokens in sources:
            common = shared_length(tokens, request.prompt)
            if common > max(length, len(tokens) * _SHARE_COPIED):
                length, found = common, number
        common, source = self.snapshots.find(request.prompt)
        if source is not None and common > max(length, len(source.tokens) * _SHARE_COPIED):
            length, found = common, source
        return self._usable(request, length), found

    def _keep(self, sequence: int, tokens: list[int]) -> None:
        """Save a sequence's prompt before it is overwritten, unless it is still in memory elsewhere."""
        if not self._copies or self.snapshots.covers(tokens):
            return
        live = [r.read for r in self.running if r.started and r.sequence != sequence]
        if any(shared_length(tokens, other) == len(tokens) for other in (*live, *self._idle.values())):
            return
        if self.snapshots.fits(self._context.size(sequence)):
            self.snapshots.add(Snapshot(tuple(tokens), self._context.save(sequence)))
