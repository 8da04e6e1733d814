"""The engine's loop: one batch of answers, one token each at a time, and prompts read in between.

Requests join and leave at token boundaries. A step decodes one token for every answer that is being written, then
reads prompts for as long as those answers can be kept waiting.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from orbit_llamacpp.engine.chat_template import ChatTemplate, TemplateError
from orbit_llamacpp.engine.context import Context, StoppedError
from orbit_llamacpp.engine.embedder import Embedder, Embedding
from orbit_llamacpp.engine.grammar import SchemaError, grammar_of
from orbit_llamacpp.engine.library import NativeError
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.engine.queue import FairQueue
from orbit_llamacpp.engine.request import Request
from orbit_llamacpp.engine.sampling import Sampler
from orbit_llamacpp.engine.slots import Slots
from orbit_llamacpp.protocol import (
    UNASKED,
    Cancel,
    Command,
    Count,
    Counted,
    Delta,
    Embed,
    Embedded,
    Event,
    Failed,
    Finished,
    Generate,
    GetStats,
    Stats,
)
from orbit_llamacpp.settings import LlamaCppSettings

Emit = Callable[[list[Event]], None]

_BUSY_READING: Final = 0.1
"""Seconds of prompt reading in one step while answers are being written: the longest pause between their tokens."""

_IDLE_READING: Final = 2.0
"""The same when nobody waits for a token: how long a newcomer may have to. Few large chunks are read faster than many
small ones; a reading that is cancelled stops at once all the same.
"""

_TELLING: Final = 1.0
"""Seconds between two accounts of what is being done."""

_WORTH_WAITING: Final = 16
"""A prompt waits until another is read if it can then take over this many tokens more."""

_FIRST_CHUNK: Final = 32
_SMALLEST_CHUNK: Final = 8


class Engine:
    """Answers requests of one model. Commands come from any thread; ``emit`` is called from several."""

    def __init__(self, path: Path, settings: LlamaCppSettings, emit: Emit) -> None:
        """Load the model and start the loop. Raises NativeError."""
        self._emit = emit
        self._model = Model(path, settings)
        try:
            self.window = settings.n_ctx or self._model.trained_context
            self._embedder = Embedder(self._model, settings) if self._model.embeds else None
            parallel = settings.parallel
            self._context = None if self._embedder else Context(self._model, settings, self.window, parallel)
        except NativeError:
            self._model.close()
            raise
        self._settings = settings
        self._template = ChatTemplate(self._model, settings.chat_format)
        self._queue = FairQueue()
        self._reading: deque[Request] = deque()
        self._embedding: deque[tuple[Embed, Embedding]] = deque()
        self._chunk_seconds = 0.0  # for one token of a prompt, lately
        self._unwanted: set[int] = set()  # requests whose cancellation is on its way through the inbox
        self._closing = False
        self.stats = Stats(parallel=parallel)
        if self._context is not None:
            budget = settings.prefix_cache_mb * 1024 * 1024
            reuse = settings.prefix_cache_mb > 0 and self._model.can_forget_a_part
            self._slots = Slots(self._context, parallel, budget, reuse=reuse, copies=not self._model.slides)
        self._inbox: queue.SimpleQueue[Request | Embed | Cancel | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="llama.cpp", daemon=True)
        self._thread.start()

    @property
    def dimension(self) -> int:
        """The length of the model's vectors; 0 if it does not embed."""
        return 0 if self._embedder is None else self._embedder.dimension

    @property
    def warning(self) -> str:
        """What the operator should know about the settings; empty if they do what they say."""
        return self._model.warning

    def send(self, command: Command) -> None:
        """Take a command. What needs no decoding is answered here, in the caller's thread."""
        try:
            if isinstance(command, Count):
                prompt = self._template.prompt(command.messages)
                self._emit([Counted(command.id, len(prompt.tokens))])
            elif isinstance(command, GetStats):
                self._emit([self._snapshot_of_stats(command.id)])
            elif isinstance(command, Generate):
                self._inbox.put(self._prepare(command))
            elif isinstance(command, (Embed, Cancel)):
                if isinstance(command, Cancel):
                    self._unwanted.add(command.id)
                self._inbox.put(command)
        except _RefusedError as error:
            self._emit([error.event])
        except (TemplateError, SchemaError) as error:
            self._emit([Failed(command.id, "refused", str(error))])

    def close(self) -> None:
        """Stop what is running and free everything. Blocks until it is done."""
        self._closing = True
        self._inbox.put(None)
        self._thread.join()
        if self._context is not None:
            self._context.close()
        if self._embedder is not None:
            self._embedder.close()
        self._model.close()

    def _prepare(self, command: Generate) -> Request:
        if self._context is None:
            raise _RefusedError(Failed(command.id, "refused", "this is an embedding model; it writes no answers"))
        prompt = self._template.prompt(command.messages)
        length = len(prompt.tokens)
        if length >= self.window:
            message = f"the prompt has {length} tokens, the window is {self.window}"
            raise _RefusedError(Failed(command.id, "too_long", message))
        sampling = command.sampling
        if command.schema:
            sampling = msgspec.structs.replace(sampling, grammar=grammar_of(command.schema))
        limit = min(command.max_tokens, self.window - length)
        return Request(command, prompt.tokens, limit, sampling, (*command.stop, *prompt.stops))

    # The rest runs in the engine's own thread.

    def _run(self) -> None:
        told = 0.0
        while self._receive():
            if self._context is not None:
                self._step(self._context)
            if self._embedding:
                self._embed()
            if self._idle or time.monotonic() - told > _TELLING:
                self._emit([self._snapshot_of_stats(UNASKED)])
                told = time.monotonic()

    @property
    def _idle(self) -> bool:
        return not (self._embedding if self._context is None else self._slots.running or self._queue)

    def _receive(self) -> bool:
        """Take in what has arrived; wait if there is nothing else to do. False when the engine closes."""
        idle = self._idle
        while idle or not self._inbox.empty():
            item = self._inbox.get()
            if item is None:
                for request in [*self._slots.running] if self._context is not None else ():
                    self._drop(request)
                return False
            if isinstance(item, Request):
                self.stats.requests += 1
                self._queue.push(item)
            elif isinstance(item, Cancel):
                self._cancel(item.id)
            else:
                self._begin_to_embed(item)
            idle = False
        return True

    def _begin_to_embed(self, command: Embed) -> None:
        self.stats.requests += 1
        if self._embedder is None:
            self._emit([Failed(command.id, "refused", "this model writes answers; it does not embed")])
        else:
            self._embedding.append((command, self._embedder.embed(command.texts)))

    def _embed(self) -> None:
        """One batch of the request whose turn it is: a question need not wait for all the passages of a book."""
        command, work = self._embedding.popleft()
        start = time.monotonic()
        try:
            next(work)
        except StopIteration as done:
            vectors, tokens = done.value
            self.stats.embedded_texts += len(command.texts)
            self.stats.prompt_tokens += tokens
            self._emit([Embedded(command.id, vectors.tobytes())])
        except NativeError as error:
            self.stats.failed += 1
            self._emit([Failed(command.id, "refused", str(error))])
        else:
            self._embedding.append((command, work))
        self.stats.prompt_seconds += time.monotonic() - start

    def _cancel(self, request_id: int) -> None:
        self._unwanted.discard(request_id)
        self.stats.cancelled += self._forget(request_id)

    def _forget(self, request_id: int) -> bool:
        """Take a request out, wherever it is; False if it is done already."""
        for job in self._embedding:
            if job[0].id == request_id:
                self._embedding.remove(job)
                return True
        for request in self._slots.running if self._context is not None else ():
            if request.id == request_id:
                self._drop(request)
                return True
        return self._queue.remove(request_id)

    def _step(self, context: Context) -> None:
        while self._slots and (request := self._queue.pop(self._slots.running)) is not None:
            self._slots.take(request)
            self._reading.append(request)
        events: list[Event] = []
        writing = [request for request in self._slots.running if request.written]
        if writing:
            self._write(context, writing, events)
            if events:
                self._emit(events)
                events = []
        self._read(context, events, _BUSY_READING if writing else _IDLE_READING)
        if events:
            self._emit(events)

    def _write(self, context: Context, writing: list[Request], events: list[Event]) -> None:
        """One token for every answer."""
        start = time.monotonic()
        try:
            context.advance([(request.sequence, request.next_token, request.position) for request in writing])
        except NativeError as error:
            for request in writing:
                self._fail(request, error, events)
            return
        for index, request in enumerate(writing):
            request.position += 1
            self._sample(context, request, index, events)
        self.stats.decode_steps += 1
        self.stats.decoded_tokens += len(writing)
        self.stats.decode_seconds += time.monotonic() - start

    def _read(self, context: Context, events: list[Event], budget: float) -> None:
        """Read prompts in chunks, in turns, for ``budget`` seconds; at least one chunk."""
        deadline = time.monotonic() + budget
        while (request := self._next_to_read()) is not None:
            try:
                self._read_chunk(context, request, deadline, events)
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

    def _read_chunk(self, context: Context, request: Request, deadline: float, events: list[Event]) -> None:
        start = time.monotonic()
        if request.sampler is None:
            request.sampler = Sampler(self._model, request.sampling)
            self._slots.begin(request)
            self.stats.cached_tokens += request.cached
            self.stats.prefix_hits += request.cached >= _WORTH_WAITING
            start = time.monotonic()
        rest = len(request.prompt) - request.position
        size = min(self._chunk(deadline - start), context.capacity, rest)
        if rest - size == 1:
            size -= 1  # a token read alone would be computed by another path: see context.py
        chunk = request.prompt[request.position : request.position + size]
        context.read(
            *(request.sequence, chunk, request.position, lambda: self._closing or request.id in self._unwanted),
            want_output=size == rest,
        )
        request.position += size
        self.stats.prompt_tokens += size
        if request.reading:
            self._reading.append(request)
        else:
            self._sample(context, request, -1, events)
        seconds = time.monotonic() - start
        self.stats.prompt_seconds += seconds
        self._chunk_seconds = (
            seconds / size if not self._chunk_seconds else 0.7 * self._chunk_seconds + 0.3 * seconds / size
        )

    def _chunk(self, seconds: float) -> int:
        """Tokens that can be read in so many seconds, judging by the last ones."""
        if not self._chunk_seconds:
            return _FIRST_CHUNK
        return max(_SMALLEST_CHUNK, int(seconds / self._chunk_seconds))

    def _sample(self, context: Context, request: Request, index: int, events: list[Event]) -> None:
        """Draw the next token, tell its text, and end the answer if it ends here."""
        assert request.sampler is not None, "the prompt was read"
        token = request.next_token = request.sampler.sample(context, index)
        request.written += 1
        ended = self._model.ends(token)
        delta = "" if ended else request.text.push(self._model.piece(token))
        if not (ended or request.text.stopped or request.written >= request.limit):
            if delta:
                events.append(Delta(request.id, delta))
            return
        reason = "stop" if ended or request.text.stopped else "length"
        usage = (len(request.prompt), request.written, request.cached)
        events.append(Finished(request.id, reason, delta + request.text.flush(), *usage))  # type: ignore[arg-type]  # two literals
        self._drop(request)

    def _fail(self, request: Request, error: NativeError, events: list[Event]) -> None:
        self.stats.failed += 1
        events.append(Failed(request.id, "failed", str(error)))
        self._drop(request)

    def _drop(self, request: Request) -> None:
        if request in self._reading:
            self._reading.remove(request)
        self._slots.leave(request)

    def _snapshot_of_stats(self, request_id: int) -> Stats:
        stats = self.stats
        now: dict[str, int] = {"id": request_id}
        if self._context is not None:
            kept = self._slots.snapshots
            now |= {"running": len(self._slots.running), "queued": len(self._queue) + self._inbox.qsize()}
            now |= {"snapshots": len(kept), "snapshot_bytes": kept.size}
        return Stats(**{name: now.get(name, getattr(stats, name)) for name in stats.__struct_fields__})


class _RefusedError(Exception):
    """A request that cannot be done, and what to say about it."""

    def __init__(self, event: Failed) -> None:
        super().__init__(event.message)
        self.event = event
