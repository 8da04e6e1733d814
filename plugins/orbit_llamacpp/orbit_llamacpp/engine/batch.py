"""Continuous batching over one context: decodes one token per answer at a time, and reads prompts in between.

Requests join and leave at token boundaries. A step decodes one token for every running answer, then reads prompts for
as long as those answers can wait. A prompt's last token counts as one of its answer: prompts that are in memory join
the next step without being read.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, Literal

import msgspec

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
"""Seconds of prompt reading per step while answers are being written: the longest pause between their tokens."""

_IDLE_READING: Final = 2.0
"""The same if no answer is running: how long a new request may have to wait. Large chunks are read faster than many
small ones. Cancelling still interrupts a reading at once.
"""

_WORTH_WAITING: Final = 16
"""A prompt waits for another to be read if it can then reuse this many more tokens."""

_THINKING: Final = 0.75
"""The share of an answer's tokens that thoughts may use. Then the engine ends them, to leave room for an answer."""

_FEWEST_LEFT: Final = 16
"""If fewer tokens remain for the answer, thoughts continue to the end."""

_FIRST_CHUNK: Final = 32
_SMALLEST_CHUNK: Final = 8


class Batch:
    """Reads prompts and writes answers in the sequences of a context. Use it from one thread, except ``figures``."""

    def __init__(
        self, model: Model, context: Context, slots: Slots, stats: Stats, emit: Emit, stops: Callable[[int], bool]
    ) -> None:
        """Set the callbacks. ``stops`` says, while a prompt is read, whether the request with this id was cancelled."""
        self._model = model
        self._context = context
        self._slots = slots
        self._stats = stats
        self._emit = emit
        self._stops = stops
        self._queue = FairQueue()
        self._reading: deque[Request] = deque()
        self._chunk_seconds = 0.0  # recent time per token of a prompt

    @property
    def idle(self) -> bool:
        """Return whether there is nothing to read or write."""
        return not (self._slots.running or self._queue)

    def push(self, request: Request) -> None:
        """Add a request to the queue."""
        self._queue.push(request)

    def forget(self, request_id: int) -> bool:
        """Remove a request, wherever it is; return False if it is already done."""
        for request in self._slots.running:
            if request.id == request_id:
                self._drop(request)
                return True
        return self._queue.remove(request_id)

    def close(self) -> None:
        """Drop running requests and free the context."""
        for request in [*self._slots.running]:
            self._drop(request)
        self._context.close()

    def figures(self) -> dict[str, int]:
        """Return the current load, by the names of ``Stats``."""
        kept = self._slots.snapshots
        return {
            "running": len(self._slots.running),
            "queued": len(self._queue),
            "snapshots": len(kept),
            "snapshot_bytes": kept.size,
        }

    def step(self) -> None:
        """Write one token of every answer, then read prompts for a while."""
        while self._slots and (request := self._queue.pop(self._slots.running)) is not None:
            self._slots.take(request)
            self._reading.append(request)
        events: list[Event] = []
        self._begin_known(events)
        writing = [request for request in self._slots.running if request.begun and not request.rest]
        writing.sort(key=lambda request: request.sequence)  # see Context.advance
        if writing:
            self._write(writing, events)
        if events:
            self._emit(events)
            events = []
        self._read(events, _BUSY_READING if writing else _IDLE_READING)
        if events:
            self._emit(events)

    def _write(self, writing: list[Request], events: list[Event]) -> None:
        """Write one token of every answer."""
        start = time.monotonic()
        try:
            self._context.advance([(request.sequence, request.next_token, request.position) for request in writing])
        except NativeError as error:
            for request in writing:
                self._fail(request, error, events)
            return
        first = sum(not request.written for request in writing)
        for index, request in enumerate(writing):
            request.position += 1
            self._sample(request, index, events)
        seconds = time.monotonic() - start
        self._stats.prompt_tokens += first
        self._stats.prompt_seconds += seconds * first / len(writing)
        self._stats.decode_steps += first < len(writing)
        self._stats.decoded_tokens += len(writing) - first
        self._stats.decode_seconds += seconds * (1 - first / len(writing))

    def _begin_known(self, events: list[Event]) -> None:
        """Begin the answers to prompts that are in memory."""
        for request in [*self._reading]:
            if request.begun or not self._slots.has(request):  # asked one by one: each beginning changes the memory
                continue
            self._reading.remove(request)
            try:
                self._begin(request)
            except NativeError as error:
                self._fail(request, error, events)

    def _read(self, events: list[Event], budget: float) -> None:
        """Read prompts in chunks, in turns, for ``budget`` seconds; at least one chunk. Stop when one is read."""
        deadline = time.monotonic() + budget
        while (request := self._next_to_read()) is not None:
            try:
                self._begin(request)
                if request.rest:
                    self._read_chunk(request, deadline)
            except NativeError as error:
                self._fail(request, error, events)
            except StoppedError:
                self._reading.append(request)  # the following cancellation finds it there
                return
            if not request.rest or time.monotonic() + self._chunk_seconds * _SMALLEST_CHUNK >= deadline or events:
                return

    def _next_to_read(self) -> Request | None:
        """Return the next request in turn, unless it could reuse a prompt that is being read now."""
        for request in self._reading:
            if request.started or self._slots.expected(request) < self._slots.reusable(request) + _WORTH_WAITING:
                self._reading.remove(request)
                return request
        return None

    def _begin(self, request: Request) -> None:
        """Reuse what is in memory of a prompt, unless it is being read already."""
        if not request.begun:
            request.sampler = Sampler(self._model, request.sampling)
            self._slots.begin(request)
            self._stats.cached_tokens += request.cached
            self._stats.prefix_hits += request.cached >= _WORTH_WAITING

    def _read_chunk(self, request: Request, deadline: float) -> None:
        start = time.monotonic()
        rest = request.rest
        size = min(self._chunk(deadline - start), self._context.capacity, rest)
        if rest - size == 1:
            size -= 1  # a token read alone takes another code path: see context.py
        chunk = request.prompt[request.position : request.position + size]
        self._context.read(request.sequence, chunk, request.position, partial(self._stops, request.id))
        request.position += size
        self._stats.prompt_tokens += size
        if request.rest:
            self._reading.append(request)
        seconds = time.monotonic() - start
        self._stats.prompt_seconds += seconds
        self._chunk_seconds = (
            seconds / size if not self._chunk_seconds else 0.7 * self._chunk_seconds + 0.3 * seconds / size
        )

    def _chunk(self, seconds: float) -> int:
        """Return how many tokens can be read in so many seconds, judging by the latest ones."""
        if not self._chunk_seconds:
            return _FIRST_CHUNK
        return max(_SMALLEST_CHUNK, int(seconds / self._chunk_seconds))

    def _sample(self, request: Request, index: int, events: list[Event]) -> None:
        """Sample the next token, emit its text, and finish the answer if it ends here."""
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
        if request.text.called is not None and request.calls is not None and not request.calls.held:
            self._hold(request)
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
        calls = request.calls.found(request.text.called) if request.calls and request.text.called else ()
        if request.text.called and not calls and reason == "stop":
            last += request.text.called  # it only looked like a call
        events.append(Finished(request.id, reason, text + last, *usage, thoughts + last_thoughts, calls))
        self._drop(request)

    def _hold(self, request: Request) -> None:
        """Hold the rest of an answer that has begun to call a tool to the grammar of calls."""
        assert request.calls is not None
        request.calls.held = True
        if grammar := request.calls.grammar(request.text.called or ""):
            request.sampling = msgspec.structs.replace(request.sampling, grammar=grammar)
            if request.sampler is not None:
                request.sampler.close()
            request.sampler = Sampler(self._model, request.sampling)

    def _fail(self, request: Request, error: NativeError, events: list[Event]) -> None:
        self._stats.failed += 1
        kind: Literal["rejected", "failed"] = "rejected" if isinstance(error, GrammarError) else "failed"
        option = "tools" if request.calls is not None and request.calls.held else "json_schema"
        events.append(Failed(request.id, kind, str(error), option if kind == "rejected" else ""))
        self._drop(request)

    def _drop(self, request: Request) -> None:
        if request in self._reading:
            self._reading.remove(request)
        self._slots.leave(request)
