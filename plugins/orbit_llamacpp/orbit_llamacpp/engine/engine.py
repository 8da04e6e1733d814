"""The engine's thread: takes commands, answers with events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

from orbit_llamacpp.engine.chat_template import ChatTemplate, TemplateError
from orbit_llamacpp.engine.context import Context
from orbit_llamacpp.engine.library import NativeError
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.engine.sampling import Sampler
from orbit_llamacpp.engine.text import TextStream
from orbit_llamacpp.protocol import Cancel, Command, Count, Counted, Delta, Event, Failed, Finished, Generate
from orbit_llamacpp.settings import LlamaCppSettings


class Engine:
    """Answers requests in the order they came. ``emit`` is called from the engine's own thread."""

    def __init__(self, path: Path, settings: LlamaCppSettings, emit: Callable[[Event], None]) -> None:
        """Load the model. Raises NativeError."""
        self._emit = emit
        self._model = Model(path, settings)
        self.window = settings.n_ctx or self._model.trained_context
        try:
            self._context = Context(self._model, settings, self.window)
        except NativeError:
            self._model.close()
            raise
        self._template = ChatTemplate(self._model, settings.chat_format)
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llama.cpp", daemon=True)
        self._thread.start()

    def send(self, command: Command) -> None:
        """Hand over a command; from any thread."""
        if isinstance(command, Cancel):
            self._cancelled.add(command.id)
        self._commands.put(command)

    def close(self) -> None:
        """Stop what is running and free everything. Blocks until it is done."""
        self._closing.set()
        self._commands.put(None)
        self._thread.join()
        self._context.close()
        self._model.close()

    def _run(self) -> None:
        while (command := self._commands.get()) is not None and not self._closing.is_set():
            try:
                self._do(command)
            except TemplateError as error:
                self._emit(Failed(command.id, "refused", str(error)))
            except NativeError as error:
                self._emit(Failed(command.id, "failed", str(error)))

    def _do(self, command: Command) -> None:
        if isinstance(command, Cancel):
            self._cancelled.discard(command.id)  # all that was sent before it is done
        elif isinstance(command, Count):
            self._emit(Counted(command.id, len(self._template.prompt(command.messages).tokens)))
        else:
            self._generate(command)

    def _stopping(self, request: Generate) -> bool:
        return self._closing.is_set() or request.id in self._cancelled

    def _generate(self, request: Generate) -> None:
        prompt = self._template.prompt(request.messages)
        length = len(prompt.tokens)
        if length >= self.window:
            self._emit(Failed(request.id, "too_long", f"the prompt has {length} tokens, the window is {self.window}"))
            return
        sampler = Sampler(self._model, request.sampling)
        try:
            self._context.clear()
            if self._read_prompt(request, prompt.tokens):
                self._write(request, prompt.tokens, TextStream((*request.stop, *prompt.stops)), sampler)
        finally:
            sampler.close()

    def _read_prompt(self, request: Generate, tokens: list[int]) -> bool:
        step = self._context.capacity
        for start in range(0, len(tokens), step):
            if self._stopping(request):
                return False
            self._context.read(tokens[start : start + step], start, want_output=start + step >= len(tokens))
        return True

    def _write(self, request: Generate, prompt: list[int], text: TextStream, sampler: Sampler) -> None:
        limit = min(request.max_tokens, self.window - len(prompt))
        for written in range(1, limit + 1):
            if self._stopping(request):
                return
            token = sampler.sample(self._context.handle, -1)
            delta = "" if (ended := self._model.ends(token)) else text.push(self._model.piece(token))
            if ended or text.stopped or written == limit:
                self._emit(
                    Finished(
                        request.id,
                        "stop" if ended or text.stopped else "length",
                        delta + text.flush(),
                        prompt_tokens=len(prompt),
                        completion_tokens=written,
                    )
                )
                return
            if delta:
                self._emit(Delta(request.id, delta))
            self._context.read([token], len(prompt) + written - 1, want_output=True)
