"""The engine: accepts commands and runs one model in its own thread, in short steps."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec

from orbit import ProviderError, ThinkingSplitter
from orbit_llamacpp.conversation import TemplateError
from orbit_llamacpp.engine.batch import Batch, Emit
from orbit_llamacpp.engine.chat_template import ChatTemplate, Prompt
from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.embedder import Embedder, Embedding
from orbit_llamacpp.engine.grammar import SchemaError, grammar_of
from orbit_llamacpp.engine.library import NativeError
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.engine.request import Calls, Request
from orbit_llamacpp.engine.slots import Slots
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import (
    UNASKED,
    Cancel,
    Command,
    Count,
    Counted,
    Embed,
    Embedded,
    EmbedTokens,
    Failed,
    Generate,
    GetStats,
    Stats,
)
from orbit_llamacpp.settings import LlamaCppSettings

_TELLING: Final = 1.0
"""Seconds between two reports of the load."""


class Engine:
    """Serves requests to one model. Commands may come from any thread; ``emit`` is called from several."""

    def __init__(self, path: Path, settings: LlamaCppSettings, emit: Emit) -> None:
        """Load the model and start the loop. Raises NativeError, TemplateError."""
        self._emit = emit
        self._model = Model(path, settings)
        try:
            self.window = settings.n_ctx or self._model.trained_context
            self._embedder = Embedder(self._model, settings) if self._model.embeds else None
            self._template = None if self._embedder else ChatTemplate(self._model, settings)
            parallel = settings.parallel
            context = None if self._embedder else Context(self._model, settings, self.window, parallel)
        except (NativeError, TemplateError):
            self._model.close()
            raise
        self._embedding: deque[tuple[Embed, Embedding]] = deque()
        self._unwanted: set[int] = set()  # requests whose cancellation is still in the inbox
        self._closing = False
        self.stats = Stats(parallel=parallel)
        self._batch: Batch | None = None
        if context is not None:
            budget = settings.prefix_cache_mb * 1024 * 1024
            reuse = settings.prefix_cache_mb > 0 and self._model.can_forget_a_part
            slots = Slots(context, parallel, budget, reuse=reuse, copies=not self._model.slides)
            self._batch = Batch(self._model, context, slots, self.stats, emit, self._stops)
        self._inbox: queue.SimpleQueue[Request | Embed | Cancel | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="llama.cpp", daemon=True)
        self._thread.start()

    @property
    def dimension(self) -> int:
        """The length of the model's vectors; 0 if it does not embed."""
        return 0 if self._embedder is None else self._embedder.dimension

    @property
    def notices(self) -> tuple[str, ...]:
        """Notices for the operator about the model and its settings."""
        return (*self._model.notices, *(self._template.notices if self._template else ()))

    def send(self, command: Command) -> None:
        """Accept a command. If it needs no decoding, answer it here, in the caller's thread."""
        try:
            if isinstance(command, Count):
                self._emit([Counted(command.id, len(self._prompt(command).tokens))])
            elif isinstance(command, GetStats):
                self._emit([self._snapshot_of_stats(command.id)])
            elif isinstance(command, Generate):
                self._inbox.put(self._prepare(command))
            elif isinstance(command, EmbedTokens):
                texts = tuple(command.prefix + self._model.text_of(tokens) for tokens in command.tokens)
                self._inbox.put(Embed(command.id, texts, special=True))
            elif isinstance(command, (Embed, Cancel)):
                if isinstance(command, Cancel):
                    self._unwanted.add(command.id)
                self._inbox.put(command)
        except _RefusedError as error:
            self._emit([error.event])
        except (TemplateError, SchemaError, ProviderError) as error:
            option = "messages" if isinstance(error, TemplateError) else error.option
            self._emit([Failed(command.id, "rejected", str(error), option)])

    def close(self) -> None:
        """Stop everything and free the memory. Blocks until done."""
        self._closing = True
        self._inbox.put(None)
        self._thread.join()
        if self._batch is not None:
            self._batch.close()
        if self._embedder is not None:
            self._embedder.close()
        self._model.close()

    def _prompt(self, command: Generate | Count, *, thoughts: bool = True) -> Prompt:
        if self._template is None:
            raise _RefusedError(Failed(command.id, "refused", "this is an embedding model; it cannot generate answers"))
        return self._template.prompt(command.messages, thoughts=thoughts, tools=command.tools)

    def _prepare(self, command: Generate) -> Request:
        prompt = self._prompt(command, thoughts=not (command.schema or command.must_call))
        length = len(prompt.tokens)
        if length >= self.window:
            message = f"the prompt has {length} tokens, the window is {self.window}"
            raise _RefusedError(Failed(command.id, "too_long", message))
        sampling = command.sampling
        if command.schema:
            sampling = msgspec.structs.replace(sampling, grammar=grammar_of(command.schema))
        limit = min(command.max_tokens, self.window - length)
        at_once = bool(command.schema or command.must_call)
        splitter = None if at_once else ThinkingSplitter.after(prompt.end, whole=command.whole)
        stops = (*command.stop, *prompt.stops)
        calls = self._calls(command)
        if calls is None:
            return Request(command, prompt.tokens, limit, sampling, TextStream(stops, splitter))
        grammar = calls.grammar("")  # also of calls that the model may choose: it must be possible before it begins
        if command.must_call:
            calls.held = True
            sampling = msgspec.structs.replace(sampling, grammar=grammar)
        form = calls.form
        text = TextStream(stops, splitter, marker=form.marker, only_first=form.only_first, calling=command.must_call)
        request = Request(command, prompt.tokens, limit, sampling, text)
        request.calls = calls
        return request

    def _calls(self, command: Generate) -> Calls | None:
        """Return the tools that an answer may call; None if it has none."""
        if not command.tools or self._template is None:
            return None
        tools = [tool for tool in json.loads(command.tools) if command.tool in ("", tool["function"]["name"])]
        return Calls(self._template.tool_format, tools, parallel=command.parallel)

    # The rest runs in the engine's thread.

    def _run(self) -> None:
        told = 0.0
        while self._receive():
            if self._batch is not None:
                self._batch.step()
            if self._embedding:
                self._embed()
            if self._idle or time.monotonic() - told > _TELLING:
                self._emit([self._snapshot_of_stats(UNASKED)])
                told = time.monotonic()

    @property
    def _idle(self) -> bool:
        return not self._embedding if self._batch is None else self._batch.idle

    def _receive(self) -> bool:
        """Process the inbox; wait if there is nothing else to do. Return False when the engine closes."""
        idle = self._idle
        while idle or not self._inbox.empty():
            item = self._inbox.get()
            if item is None:
                return False
            if isinstance(item, Request):
                assert self._batch is not None, "what cannot be written was refused"
                self.stats.requests += 1
                self._batch.push(item)
            elif isinstance(item, Cancel):
                self._cancel(item.id)
            else:
                self._begin_to_embed(item)
            idle = False
        return True

    def _begin_to_embed(self, command: Embed) -> None:
        self.stats.requests += 1
        if self._embedder is None:
            self._emit([Failed(command.id, "refused", "this model generates answers; it cannot embed")])
        else:
            self._embedding.append((command, self._embedder.embed(command.texts, special=command.special)))

    def _embed(self) -> None:
        """Run one batch of the next request in turn, so that a question need not wait for a whole book."""
        command, work = self._embedding.popleft()
        start = time.monotonic()
        try:
            next(work)
        except StopIteration as done:
            vectors = done.value
            self.stats.embedded_texts += len(command.texts)
            self.stats.split_texts += len(vectors.split)
            self.stats.prompt_tokens += vectors.tokens
            self._emit([Embedded(command.id, vectors.rows.tobytes(), vectors.split)])
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
        """Remove a request, wherever it is; return False if it is already done."""
        for job in self._embedding:
            if job[0].id == request_id:
                self._embedding.remove(job)
                return True
        return self._batch is not None and self._batch.forget(request_id)

    def _stops(self, request_id: int) -> bool:
        return self._closing or request_id in self._unwanted

    def _snapshot_of_stats(self, request_id: int) -> Stats:
        stats = self.stats
        now: dict[str, int] = {"id": request_id}
        if self._batch is not None:
            now |= self._batch.figures()
            now["queued"] += self._inbox.qsize()
        return Stats(**{name: now.get(name, getattr(stats, name)) for name in stats.__struct_fields__})


class _RefusedError(Exception):
    """A request that the model cannot serve, and the event that says so."""

    def __init__(self, event: Failed) -> None:
        super().__init__(event.message)
        self.event = event
