"""The plugin: ORBIT's hooks, answered by the engine."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import ClassVar, Self, TypeVar

import msgspec

import orbit
from orbit.errors import PromptTooLong
from orbit.types import CallContext, Chunk, GenerateOptions, Health, Message, TokenCount, Usage
from orbit_llamacpp.chat_formats import CHAT_FORMATS
from orbit_llamacpp.client import EngineClient
from orbit_llamacpp.model_file import ModelFileError, inspect, locate
from orbit_llamacpp.protocol import Count, Counted, Failed, Finished, Generate, Sampling
from orbit_llamacpp.settings import LlamaCppSettings

_T = TypeVar("_T")


class LlamaCppProvider(orbit.Provider):
    """Answers from a GGUF model, in llama.cpp, on this machine."""

    Settings: ClassVar[type[msgspec.Struct]] = LlamaCppSettings

    settings: LlamaCppSettings
    _engine: EngineClient | None = None

    def validate(self) -> Iterable[str]:
        """What is wrong with the model file and with what is asked of it. Reads only the file's header."""
        if self.settings.chat_format not in (None, *CHAT_FORMATS):
            yield f"chat_format '{self.settings.chat_format}' is not known; there are: {', '.join(CHAT_FORMATS)}"
        try:
            header = inspect(locate(self.settings.model_path))
        except ModelFileError as error:
            yield f"model_path: {error}"
            return
        trained = header.context_length
        if trained and self.settings.n_ctx > trained:
            yield f"n_ctx: {self.settings.n_ctx} tokens, but the model was trained for {trained}; set {trained} or less"

    async def __aenter__(self) -> Self:
        """Load the model."""
        for problem in self.validate():
            raise orbit.ConfigError(problem)
        engine = EngineClient(locate(self.settings.model_path), self.settings)
        try:
            await engine.start()
        except ImportError as error:
            raise orbit.ProviderError(f"llama-cpp-python cannot be loaded: {error}") from error
        except Exception as error:
            raise orbit.ProviderError(str(error)) from error
        self._engine = engine
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the engine and free the model."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    @orbit.hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> AsyncIterator[Chunk]:
        """Write the answer; closing the iterator stops the engine's work on it."""
        engine = self._started()
        command = self._command(engine.next_id(), messages, options, context)
        held = ""  # with stream: false, the whole answer
        async with contextlib.aclosing(engine.events(command)) as events:
            async for event in events:
                if isinstance(event, Failed):
                    raise _error(event)
                text = event.text if not isinstance(event, Counted) else ""
                if isinstance(event, Finished):
                    usage = Usage(event.prompt_tokens, event.completion_tokens)
                    yield Chunk(held + text, event.reason, usage)
                elif self.settings.stream:
                    yield Chunk(text)
                else:
                    held += text

    @orbit.hookimpl
    async def count_tokens(self, messages: Sequence[Message], context: CallContext) -> TokenCount:
        """Count as the model's own tokeniser and template do."""
        del context
        engine = self._started()
        command = Count(engine.next_id(), tuple(messages))
        async with contextlib.aclosing(engine.events(command)) as events:
            async for event in events:
                if isinstance(event, Counted):
                    return TokenCount(event.tokens, engine.window)
                if isinstance(event, Failed):
                    raise _error(event)
        raise orbit.ProviderError("the engine gave no count")

    async def health(self) -> Health:
        """Whether the model is loaded."""
        return Health("down", "the model is not loaded") if self._engine is None else Health()

    def model(self, hook: str) -> str:
        """The model file's name without its ending."""
        del hook
        try:
            return locate(self.settings.model_path).stem
        except ModelFileError:
            return self.settings.model_path

    def exclusive(self) -> str:
        """Every process would hold its own copy of the model's working memory and compete for the processors."""
        return (
            "each worker process would load the model and compete for the same processors; "
            "one process serves many clients at once"
        )

    def _started(self) -> EngineClient:
        if self._engine is None:
            raise orbit.ProviderError("the model is not loaded", kind="unavailable")
        return self._engine

    def _command(
        self, request: int, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> Generate:
        """The request with every choice made: the caller's, or else the operator's."""
        own = self.settings
        sampling = Sampling(
            temperature=_choose(options.temperature, own.temperature),
            top_p=_choose(options.top_p, own.top_p),
            top_k=_choose(options.top_k, own.top_k),
            min_p=_choose(options.min_p, own.min_p),
            repeat_penalty=_choose(options.repeat_penalty, own.repeat_penalty),
            seed=_choose(options.seed, own.seed),
        )
        max_tokens = _choose(options.max_tokens, own.max_tokens)
        stop = (*own.stop, *options.stop)
        return Generate(request, tuple(messages), sampling, max_tokens, stop, context.key_id)


def _choose(asked: _T | None, configured: _T) -> _T:
    return configured if asked is None else asked


def _error(event: Failed) -> Exception:
    if event.kind == "too_long":
        return PromptTooLong(event.message)
    return orbit.ProviderError(event.message)
