"""The provider: ORBIT's hooks on the engine."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar

import msgspec

import orbit
from orbit import (
    CallContext,
    Capability,
    Chunk,
    EmbedKind,
    FinishReason,
    GenerateOptions,
    Health,
    Message,
    Model,
    PromptTooLong,
    TokenCount,
    Usage,
)
from orbit.upstreams import function_of
from orbit_llamacpp.client import EngineBusyError, EngineClient, EngineError
from orbit_llamacpp.figures import figures
from orbit_llamacpp.memory import too_large
from orbit_llamacpp.model_file import ModelFileError, inspect, locate
from orbit_llamacpp.protocol import (
    Command,
    Count,
    Counted,
    Delta,
    Embed,
    Embedded,
    EmbedTokens,
    Event,
    Failed,
    Finished,
    Generate,
    GetStats,
    Sampling,
    Stats,
)
from orbit_llamacpp.settings import LlamaCppSettings
from orbit_llamacpp.template_check import chat_format_problems, template_problems

if TYPE_CHECKING:
    import click

    from orbit import Vectors

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


class LlamaCppProvider(orbit.Provider):
    """Answers from a GGUF model with llama.cpp, on this machine."""

    ORBIT_API: ClassVar[int] = 2
    Settings: ClassVar[type[msgspec.Struct]] = LlamaCppSettings

    settings: LlamaCppSettings
    _engine: EngineClient | None = None
    _has_split: bool = False

    def validate(self) -> Iterable[str]:
        """Yield faults of the model file and of the settings. Reads only the file's header."""
        yield from chat_format_problems(self.settings)
        if "" in self.settings.stop:
            yield "stop: an empty text would end each answer before it begins; remove it"
        if any(share < 0 for share in self.settings.tensor_split or ()):
            yield "tensor_split: a share of the model cannot be below 0"
        try:
            header = inspect(locate(self.settings.model_path))
        except ModelFileError as error:
            yield f"model_path: {error}"
            return
        trained = header.context_length
        if trained and self.settings.n_ctx > trained:
            yield f"n_ctx: {self.settings.n_ctx} tokens, but the model was trained for {trained}; set {trained} or less"
        if header.embeds:
            return
        if not self.settings.n_gpu_layers and (
            reason := too_large(header, self.settings.n_ctx or trained, self.settings.parallel, self.settings.n_batch)
        ):
            yield f"n_ctx: {reason}"
        yield from template_problems(header, self.settings)

    async def __aenter__(self) -> Self:
        """Start the engine and load the model."""
        problems = [orbit.Problem("", problem) for problem in self.validate()]
        if problems:
            raise orbit.ConfigError(problems)
        engine = EngineClient(locate(self.settings.model_path), self.settings)
        try:
            await engine.start()
        except EngineError as error:
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
        """Generate the answer. Closing the iterator stops the engine's work on it."""
        engine = self._started()
        if options.model and (reason := self.refuses_model(options.model)):
            raise orbit.ProviderError(reason, kind="not_found")
        command = self._command(engine.next_id(), messages, options, context)
        in_pieces = not command.whole
        held: list[str] = []
        try:
            async with contextlib.aclosing(engine.events(command)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        usage = Usage(event.prompt_tokens, event.completion_tokens, event.cached_tokens)
                        calls = event.tool_calls
                        ended: FinishReason = "tool_calls" if calls and event.reason == "stop" else event.reason
                        yield Chunk("".join(held) + event.text, ended, usage, event.reasoning, calls)
                    elif not isinstance(event, Delta):
                        raise _error(event)
                    elif in_pieces:
                        yield Chunk(event.text, reasoning=event.reasoning)
                    else:
                        held.append(event.text)
                        if event.reasoning:
                            yield Chunk(reasoning=event.reasoning)
        except EngineBusyError as error:
            raise orbit.ProviderError(str(error), kind="overloaded", retryable=True) from error

    @orbit.hookimpl
    async def models(self) -> Sequence[Model]:
        """Return the loaded model. Tools and schemas hold for every model: a grammar keeps its answer in form."""
        return [Model(self.model("generate"), self._started().ready.window, _SUPPORTS)]

    @orbit.hookimpl
    async def count_tokens(self, messages: Sequence[Message], options: GenerateOptions) -> TokenCount:
        """Count with the model's own tokenizer and template."""
        engine = self._started()
        event = await _only(engine, Count(engine.next_id(), _encodable(messages), _tools(options)))
        if not isinstance(event, Counted):
            raise _error(event)
        return TokenCount(event.tokens, engine.ready.window)

    @orbit.hookimpl
    async def embed(self, texts: Sequence[str], kind: EmbedKind, context: CallContext) -> Vectors:
        """Return the vectors of an embedding model: pooled as it specifies, of length one."""
        import numpy as np  # noqa: PLC0415 - the plugin's import stays light

        engine = self._started()
        prefix = self.settings.query_prefix if kind == "query" else self.settings.document_prefix
        command = Embed(engine.next_id(), tuple(_utf8(prefix + text) for text in texts))
        event = await _only(engine, command)
        if not isinstance(event, Embedded):
            raise _error(event)
        if context.notices is not None:
            window = engine.ready.window
            reason = f"longer than the {window} tokens that the embedding model reads at once, so it was read in parts"
            context.notices.extend(orbit.Notice(texts[index], reason) for index in event.split)
        if event.split and not self._has_split:
            self._has_split = True
            logger.warning(
                "%s: %d of %d texts exceed the %d tokens that the model reads at once, so they are read in parts. "
                "Shorter passages are found better. This is logged once; split_texts_total counts such texts.",
                *(self.name, len(event.split), len(texts), engine.ready.window),
            )
        return np.frombuffer(event.vectors, "<f4").reshape(len(texts), engine.ready.dimension)

    @orbit.hookimpl
    async def embed_tokens(self, tokens: Sequence[Sequence[int]]) -> Vectors:
        """Return the vectors of the texts of token ids."""
        import numpy as np  # noqa: PLC0415 - the plugin's import stays light

        engine = self._started()
        command = EmbedTokens(engine.next_id(), tuple(map(tuple, tokens)), self.settings.document_prefix)
        event = await _only(engine, command)
        if not isinstance(event, Embedded):
            raise _error(event)
        return np.frombuffer(event.vectors, "<f4").reshape(len(tokens), engine.ready.dimension)

    @orbit.hookimpl
    def register_commands(self, group: click.Group) -> None:
        """Add ``orbit llamacpp pull`` and ``orbit llamacpp info``."""
        from orbit_llamacpp.commands import add_commands  # noqa: PLC0415 - the plugin's import stays light

        add_commands(group, self.settings, self.name, self.host.default_config)

    async def stats(self) -> Stats:
        """Return the engine's counters. Raises ProviderError while it is down."""
        engine = self._started()
        event = await _only(engine, GetStats(engine.next_id()))
        if not isinstance(event, Stats):
            raise _error(event)
        return event

    def metrics(self) -> Mapping[str, float]:
        """Return the engine's counters since its process started, its load, and its number of restarts."""
        if self._engine is None:
            return {}
        return figures(self._engine.stats, self._engine.state)

    async def health(self) -> Health:
        """Return whether the engine is running, and whether it has restarted."""
        if self._engine is None:
            return Health("down", "the model is not loaded")
        state = self._engine.state
        if not state.running:
            return Health("down", f"the engine died ({state.last_end}) and is restarting")
        if state.restarts:
            return Health("ok", f"the engine restarted {state.restarts} times, last after {state.last_end}")
        return Health()

    def model(self, hook: str) -> str:
        """Return the model file's name without its extension."""
        del hook
        try:
            return locate(self.settings.model_path).stem
        except ModelFileError:
            return self.settings.model_path

    def refuses_model(self, model: str) -> str:
        """Refuse all names except the loaded model's file and this instance's name."""
        own = self.model("generate")
        names = (own, f"{own}.gguf", self.settings.model_path, self.name)
        if model.casefold() in (name.casefold() for name in names):
            return ""
        return f"the model '{model}' does not exist: {self.name} only has {own}"

    def offers(self, hook: str) -> bool:
        """Embedding models embed and others generate; both have commands."""
        if hook in ("embed", "embed_tokens"):
            return self._embeds is True
        if hook in ("generate", "count_tokens"):
            return self._embeds is False
        return True

    @cached_property
    def _embeds(self) -> bool | None:
        """Return whether the file is an embedding model; None if it is unreadable, which ``validate`` reports."""
        try:
            return inspect(locate(self.settings.model_path)).embeds
        except ModelFileError:
            return None

    def exclusive(self) -> str:
        """Return why several workers do not make sense: each would load the model and compete for the processors."""
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
        """Return the command with every option set: the caller's, or else the operator's."""
        own = self.settings
        sampling = Sampling(
            temperature=_choose(options.temperature, own.temperature),
            top_p=_choose(options.top_p, own.top_p),
            top_k=_choose(options.top_k, own.top_k),
            min_p=_choose(options.min_p, own.min_p),
            repeat_penalty=_choose(options.repeat_penalty, own.repeat_penalty),
            presence_penalty=options.presence_penalty or 0.0,
            frequency_penalty=options.frequency_penalty or 0.0,
            seed=_choose(options.seed, own.seed),
        )
        max_tokens = _choose(options.max_tokens, own.max_tokens)
        stop = (*own.stop, *options.stop)
        schema = msgspec.json.encode(options.json_schema).decode() if options.json_schema is not None else ""
        whole = not (own.stream and options.stream)
        choice = options.tool_choice
        return Generate(
            *(request, _encodable(messages), sampling, max_tokens, stop, context.key_id, schema, whole),
            tools=_tools(options),
            must_call=choice is not None and choice.mode == "required",
            tool=choice.name if choice is not None else "",
            parallel=options.parallel_tool_calls is not False,
        )


_SUPPORTS: Final[frozenset[Capability]] = frozenset({"tools", "json_schema", "continue"})


def _encodable(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(
        message
        if (text := _utf8(message.content)) is message.content
        else msgspec.structs.replace(message, content=text)
        for message in messages
    )


def _tools(options: GenerateOptions) -> str:
    """Return the tools that the model may call as JSON, in the form of OpenAI's API."""
    if not options.tools or (options.tool_choice is not None and options.tool_choice.mode == "none"):
        return ""
    tools = [{"type": "function", "function": function_of(tool)} for tool in options.tools]
    return _utf8(msgspec.json.encode(tools).decode())


def _utf8(text: str) -> str:
    """Replace lone surrogates, which JSON allows, by question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _choose(asked: _T | None, configured: _T) -> _T:
    return configured if asked is None else asked


async def _only(engine: EngineClient, command: Command) -> Event:
    """Return the single event that answers a command."""
    async with contextlib.aclosing(engine.events(command)) as events:
        async for event in events:
            return event
    raise orbit.ProviderError("the engine gave no answer")


_CLIENT: Final = {
    "tokens": "The input has token ids of another vocabulary than the embedding model's. Send text instead.",
    "json_schema": "The model cannot follow this JSON schema.",
    "tools": "The model cannot call these tools: the schema of their arguments is too large, or cannot be followed.",
}


def _error(event: Event) -> Exception:
    if not isinstance(event, Failed):
        return orbit.ProviderError(f"the engine answered {type(event).__name__}")
    if event.kind == "crashed":
        return orbit.ProviderError(event.message, kind="unavailable", retryable=True)
    if event.kind == "too_long":
        return PromptTooLong(event.message)
    if event.kind == "rejected":
        client = _CLIENT.get(event.option, "")
        return orbit.ProviderError(event.message, kind="rejected", option=event.option, client=client)
    return orbit.ProviderError(event.message)
