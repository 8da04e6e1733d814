"""The batch of one context: one token for every answer at a time, and prompts read in between.

Requests join and leave at token boundaries. A step decodes one token for every answer that is being written, then
reads prompts for as long as those answers can be kept waiting.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Literal

from orbit_llamacpp.engine.context import Context, StoppedError
from orbit_llamacpp.engine.library import NativeError
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.engine.queue import FairQueue
from orbit_llamacpp.engine.request import Request
from orbit_llamacpp.engine.sampling import GrammarError, Sampler
from orbit_llamacpp.engine.slots import Slots
from orbit_llamacpp.protocol import Delta, Event, Failed, Finished, Stats

Emit = Callable[[list[Event]], None]

_BUSY_READING: Final = 0.1
"""Seconds of prompt reading in one step while answers are being written: the longest pause between their tokens."""

_IDLE_READING: Final = 2.0
"""The same when nobody waits for a token: how long a newcomer may have to. Few large chunks are read faster than many
small ones; a reading that is cancelled stops at once all the same.
"""

_WORTH_WAITING: Final = 16
"""A prompt waits until another is read if it can then take over this many tokens more."""

_THINKING: Final = 0.75
"""The share of an answer's tokens that thoughts may take. Then they are ended, so that there is an answer at all."""

_FEWEST_LEFT: Final = 16
"""With fewer tokens left than these for the answer, thoughts go on to the end."""

_FIRST_CHUNK: Final = 32
_SMALLEST_CHUNK: Final = 8


class Batch:
    """Reads prompts and writes answers in the sequences of a context. All but ``figures`` belongs to one thread."""

    def __init__(
        self, model: Model, context: Context, slots: Slots, stats: Stats, emit: Emit, stops: Callable[[int], bool]
    ) -> None:
        """``stops`` tells, while a prompt is read, whether the request with this id is wanted no more."""
        self._model = model
        self._context = context
        self._slots = slots
        self._stats = stats
        self._emit = emit
        self._stops = stops
        self._queue = FairQueue()
        self._reading: deque[Request] = deque()
        self._chunk_seconds = 0.0  # for one token of a prompt, lately

    @property
    def idle(self) -> bool:
        """Whether there is nothing to read or write."""
        return not (self._slots.running or self._queue)

    def push(self, request: Request) -> None:
        """Take a request into the queue."""
        self._queue.push(request)

    def forget(self, request_id: int) -> bool:
        """Take a request out, wherever it is; False if it is done already."""
        for request in self._slots.running:
            if request.id == request_id:
                self._drop(request)
                return True
        return self._queue.remove(request_id)

    def close(self) -> None:
        """Drop what is running, and free the context."""
        for request in [*self._slots.running]:
            self._drop(request)
        self._context.close()

    def figures(self) -> dict[str, int]:
        """What is being done now, by the names of ``Stats``."""
        kept = self._slots.snapshots
        return {
            "running": len(self._slots.running),
            "queued": len(self._queue),
            "snapshots": len(kept),
            "snapshot_bytes": kept.size,
        }

    def step(self) -> None:
        """Write one token of every answer, and read prompts for a while."""
        while self._slots and (request := self._queue.pop(self._slots.running)) is not None:
            self._slots.take(request)
            self._reading.append(request)
        events: list[Event] = []
        writing = [request for request in self._slots.running if request.written]
        if writing:
            self._write(writing, events)
            if events:
                self._emit(events)
                events = []
        self._read(events, _BUSY_READING if writing else _IDLE_READING)
        if events:
            self._emit(events)

    def _write(self, writing: list[Request], events: list[Event]) -> None:
        """One token for every answer."""
        start = time.monotonic()
        try:
            self._context.advance([(request.sequence, request.next_token, request.position) for request in writing])
        except NativeError as error:
            for request in writing:
                self._fail(request, error, events)
            return
        for index, request in enumerate(writing):
            request.position += 1
            self._sample(request, index, events)
        self._stats.decode_steps += 1
        self._stats.decoded_tokens += len(writing)
        self._stats.decode_seconds += time.monotonic() - start

    def _read(self, events: list[Event], budget: float) -> None:
        """Read prompts in chunks, in turns, for ``budget`` seconds; at least one chunk."""
        deadline = time.monotonic() + budget
        while (request := self._next_to_read()) is not None:
            try:
                self._read_chunk(request, deadline, events)
            except NativeError as error:
                self._fail(request, error, events)
            except StoppedError:
                self._reading.append(request)  # the cancellation that comes next finds it there
                return
            if time.monotonic() + self._chunk_seconds * _SMALLEST_CHUNK >= deadline or events:
                return

    def _next_to_read(self) -> Request | None:
        """The next in turn, unless another is just reading what it could take over."""
        for request in self._reading:
            if request.started or self._slots.expected(request) < self._slots.reusable(request) + _WORTH_WAITING:
                self._reading.remove(request)
                return request
        return None

    def _read_chunk(self, request: Request, deadline: float, events: list[Event]) -> None:
        start = time.monotonic()
        if request.sampler is None:
            request.sampler = Sampler(self._model, request.sampling)
            self._slots.begin(request)
            self._stats.cached_tokens += request.cached
            self._stats.prefix_hits += request.cached >= _WORTH_WAITING
            start = time.monotonic()
        rest = len(request.prompt) - request.position
        size = min(self._chunk(deadline - start), self._context.capacity, rest)
        if rest - size == 1:
            size -= 1  # a token read alone would be computed by another path: see context.py
        chunk = request.prompt[request.position : request.position + size]
        self._context.read(
            *(request.sequence, chunk, request.position, partial(self._stops, request.id)),
            want_output=size == rest,
        )
        request.position += size
        self._stats.prompt_tokens += size
        if request.reading:
            self._reading.append(request)
        else:
            self._sample(request, -1, events)
        seconds = time.monotonic() - start
        self._stats.prompt_seconds += seconds
        self._chunk_seconds = (
            seconds / size if not self._chunk_seconds else 0.7 * self._chunk_seconds + 0.3 * seconds / size
        )

    def _chunk(self, seconds: float) -> int:
        """Tokens that can be read in so many seconds, judging by the last ones."""
        if not self._chunk_seconds:
            return _FIRST_CHUNK
        return max(_SMALLEST_CHUNK, int(seconds / self._chunk_seconds))

    def _sample(self, request: Request, index: int, events: list[Event]) -> None:
        """Draw the next token, tell its text, and end the answer if it ends here."""
        assert request.sampler is not None, "the prompt was read"
        if request.forced:
            token = request.forced.pop(0)
            request.sampler.accept(token)
        else:
            token = request.sampler.sample(self._context, index)
        request.next_token = token
        request.written += 1
        ended = self._model.ends(token)
        text, thoughts = ("", "") if ended else request.text.push(self._model.piece(token))
        if not (ended or request.text.stopped or request.written >= request.limit):
            if request.written == int(request.limit * _THINKING) and (end := request.text.thoughts_end):
                closing = self._model.tokenize(end, add_special=False, parse_special=True)
                request.forced = closing if len(closing) + _FEWEST_LEFT <= request.limit - request.written else []
            if text or thoughts:
                events.append(Delta(request.id, text, thoughts))
            return
        last, last_thoughts = request.text.finish(cut=not (ended or request.text.stopped))
        reason: Literal["stop", "length"] = "stop" if ended or request.text.stopped else "length"
        usage = (len(request.prompt), request.written, request.cached)
        events.append(Finished(request.id, reason, text + last, *usage, thoughts + last_thoughts))
        self._drop(request)

    def _fail(self, request: Request, error: NativeError, events: list[Event]) -> None:
        self._stats.failed += 1
        kind: Literal["rejected", "failed"] = "rejected" if isinstance(error, GrammarError) else "failed"
        events.append(Failed(request.id, kind, str(error)))
        self._drop(request)

    def _drop(self, request: Request) -> None:
        if request in self._reading:
            self._reading.remove(request)
        self._slots.leave(request)
