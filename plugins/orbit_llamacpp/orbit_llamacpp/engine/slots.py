"""The sequences of a context: who uses which, what each has read, and what a new prompt can take over from them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.prefixes import Snapshot, Snapshots, shared_length
from orbit_llamacpp.engine.request import Request

_FEWEST_COPIED: Final = 8
_SHARE_COPIED: Final = 1 / 64
"""A beginning is copied only from this many tokens on, and if it is this share of what has to be copied with it: on
CPUs a token is copied a thousand times faster than it is read, on GPUs some ten times. In its place it costs nothing.
"""

_FEWEST_KEPT: Final = 32
"""A sequence that loses fewer tokens than this to its next prompt is not saved before."""

_KEEP_IN_PLACE: Final = 0.5


class Slots:
    """Gives sequences to requests. A sequence that was left keeps its prompt until somebody else needs the place.

    Only what was read as part of a prompt is ever reused: answers are computed token by token, with other rounding,
    and a conversation's next turn must not depend on whether its last answer was still in memory.
    """

    def __init__(self, context: Context, count: int, snapshot_bytes: int, *, reuse: bool, copies: bool) -> None:
        """``reuse`` must be False for models whose state cannot be cut at any position.

        Without ``copies`` a prompt is only continued in the sequence that has read it: what llama.cpp copies of a
        sliding window is what its end still sees, and cannot be cut to a shorter beginning.
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
        """How many tokens of a prompt that is not begun could be taken over now."""
        return self._best(request)[0]

    def expected(self, request: Request) -> int:
        """How many tokens it could take over once the prompts being read now are read."""
        if not self._copies:
            return 0
        others = (other for other in self.running if other.reading and other.started)
        return self._usable(request, max((shared_length(request.prompt, other.prompt) for other in others), default=0))

    def take(self, request: Request) -> None:
        """Give a request a sequence; its beginning is taken over when ``begin`` is called."""
        _, source = self._best(request)
        number = next(iter(self._idle))
        if isinstance(source, int) and source in self._idle:
            tokens = self._idle[source]
            if shared_length(tokens, request.prompt) >= len(tokens) * _KEEP_IN_PLACE:
                number = source
        request.sequence = number
        self.running.append(request)
        request.previous = self._idle.pop(number)

    def begin(self, request: Request) -> None:
        """Take over what was read before, and forget the rest of the sequence. Sets ``position`` and ``cached``."""
        previous, request.previous = request.previous, []
        length, source = self._best(request) if self._copies else (0, None)
        own = self._usable(request, shared_length(previous, request.prompt)) if self._reuse else 0
        if own >= length or length < _FEWEST_COPIED:
            length, source = own, None
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
        """A request is over, or given up: keep of its sequence what can be used again."""
        self.running.remove(request)
        if request.sequence < 0:
            return
        if request.started:
            read = min(request.position, len(request.prompt)) if self._reuse else 0
            self._context.truncate(request.sequence, read)
            kept = request.prompt[:read]
        else:
            kept = request.previous
        self._idle[request.sequence] = kept
        request.close()

    def _usable(self, request: Request, common: int) -> int:
        """Two tokens at least must be left to read: the last one gives the first output, and never alone."""
        return max(0, min(common, len(request.prompt) - 2))

    def _best(self, request: Request) -> tuple[int, int | Snapshot | None]:
        """The longest beginning that is in memory: in a sequence (its number) or a snapshot."""
        if not self._reuse:
            return 0, None
        length, source = 0, None
        sources: list[tuple[int, list[int]]] = list(self._idle.items())
        if self._copies:
            sources += [(r.sequence, r.prompt[: r.position]) for r in self.running if r is not request and r.started]
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
        """Before a sequence is overwritten: save its prompt, unless it is still in memory elsewhere."""
        if not self._copies or self.snapshots.covers(tokens):
            return
        live = [r.prompt[: r.position] for r in self.running if r.started and r.sequence != sequence]
        if any(shared_length(tokens, other) == len(tokens) for other in (*live, *self._idle.values())):
            return
        if self.snapshots.fits(self._context.size(sequence)):
            self.snapshots.add(Snapshot(tuple(tokens), self._context.save(sequence)))
