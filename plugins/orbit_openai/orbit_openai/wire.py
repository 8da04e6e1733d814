"""OpenAI's JSON <-> ORBIT's types. Pure: nothing here opens a connection."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from orbit import Chunk, GenerateOptions, Message, ProviderError, Usage
from orbit.types import FinishReason
from orbit.upstreams import without_system
from orbit_openai.errors import frame_error, not_compatible
from orbit_openai.settings import Dialect, OpenAISettings

_EXTENSIONS: Final[dict[str, dict[str, str]]] = {
    "openai": {},
    "vllm": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
    "llama.cpp": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
}
"""Options that are not OpenAI's, under the names that a server has for them."""
_WITHOUT_EFFECT: Final[dict[str, tuple[float, ...]]] = {"top_k": (-1, 0), "min_p": (0,), "repeat_penalty": (1,)}
"""The values with which such an option changes nothing."""
_OWNERS: Final[dict[str, Dialect]] = {"vllm": "vllm", "llamacpp": "llama.cpp"}
"""What a server's list of models names as their owner -> who it is."""
_WINDOWS: Final = ("max_model_len", "context_length", "context_window", "max_context_length")
"""What servers call a model's context in their list of models: vLLM's first; others tell it too."""


class Model(msgspec.Struct, frozen=True):
    """A model that a server has. ``window`` is in tokens, None if the server does not tell."""

    name: str
    window: int | None = None
    dialect: Dialect = "openai"


class _Text(msgspec.Struct):
    """Text, and whatever stands beside it: what the model thinks is not even decoded."""

    content: Any = None


class _Choice(msgspec.Struct):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Frame(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Embedding(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


_frame = msgspec.json.Decoder(_Frame)
_embeddings = msgspec.json.Decoder(_Embeddings)


def chat_body(  # all of a request
    settings: OpenAISettings,
    dialect: Dialect,
    messages: Sequence[Message],
    options: GenerateOptions,
    *,
    model: str = "",
    quirks: AbstractSet[str] = frozenset(),
) -> bytes:
    """Return the body of ``POST /chat/completions``. ``model`` is the server's name of it, ``quirks`` those of errors.

    It is always a stream, even if nobody wants the pieces: a server that hangs is then told from one that writes.
    """
    max_tokens = settings.max_tokens_field
    for field in ("max_tokens", "max_completion_tokens"):
        if field in quirks:
            max_tokens = field
    body: dict[str, Any] = {
        "model": model or options.model or settings.model,
        "messages": without_system(messages) if "no system" in quirks else messages,
        "stream": True,
        "stream_options": None if "no stream_options" in quirks else {"include_usage": True},
        "temperature": _first(options.temperature, settings.temperature),
        "top_p": _first(options.top_p, settings.top_p),
        max_tokens: _first(options.max_tokens, settings.max_tokens),
        "seed": options.seed,
        "stop": options.stop or None,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
    }
    if options.strict:
        _check_options(dialect, options)
    for option, field in _EXTENSIONS[dialect].items():
        body[field] = getattr(options, option)
    if options.json_schema is not None:
        # "strict" makes OpenAI refuse schemas that leave anything open; other servers always hold to the schema.
        strict = options.json_schema.get("additionalProperties") is False
        schema = {"name": "answer", "schema": options.json_schema, "strict": strict}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return _encoded(body | settings.extra_body)


def _check_options(dialect: Dialect, options: GenerateOptions) -> None:
    """Raise ProviderError for an option that the server does not have."""
    for option, values in _WITHOUT_EFFECT.items():
        asked = getattr(options, option)
        if asked is not None and asked not in values and option not in _EXTENSIONS[dialect]:
            sentence = f"the dialect '{dialect}' has no {option}; set `dialect` to that of the server."
            raise ProviderError(sentence, kind="rejected", client=f"This model does not take the parameter '{option}'.")


def embed_body(settings: OpenAISettings, texts: Sequence[str], prefix: str, model: str = "") -> bytes:
    """Return the body of ``POST /embeddings``. Servers refuse an empty text, so a space stands for it."""
    body: dict[str, Any] = {
        "model": model or settings.embed_model,
        "input": [prefix + text or " " for text in texts],
        "encoding_format": "float",
        "dimensions": settings.dimensions,
    }
    return _encoded(body | settings.extra_embed_body)


def _first(asked: Any, configured: Any) -> Any:
    return configured if asked is None else asked


def _encoded(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def vectors_from(body: bytes, count: int, url: str) -> list[list[float]]:
    """Return the ``count`` vectors of an answer, in the order of the texts. Raises ProviderError."""
    try:
        data = sorted(_embeddings.decode(body).data, key=lambda item: item.index)
    except msgspec.MsgspecError as error:
        raise not_compatible(url, str(error)) from error
    vectors = [item.embedding for item in data]
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise not_compatible(url, f"{len(vectors)} vectors for {count} texts")
    return vectors


def models_from(body: bytes, url: str) -> list[Model]:
    """Return the models of ``GET /models``; none if it is no list. Raises ProviderError for what is no JSON."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise not_compatible(url, "no list of models") from error
    if isinstance(found, dict):
        found = next((found[name] for name in ("data", "models", "result") if isinstance(found.get(name), list)), [])
    return [model for item in found for model in _models(item)] if isinstance(found, list) else []


def _models(item: Any) -> Iterator[Model]:
    """Yield one model of a list under all names that the list gives it."""
    if isinstance(item, str):
        yield Model(item)
    if not isinstance(item, dict):
        return
    meta = item.get("meta")  # llama.cpp's
    facts = item | meta if isinstance(meta, dict) else item
    windows = [window for name in (*_WINDOWS, "n_ctx", "n_ctx_train") if (window := _whole(facts.get(name)))]
    owner = _OWNERS.get(str(item.get("owned_by")), "openai")
    name = item.get("id") or item.get("name") or item.get("model")
    aliases = item.get("aliases")
    for known in [name, *(aliases if isinstance(aliases, list) else [])]:
        if known:
            yield Model(str(known), next(iter(windows), None), owner)


def _whole(value: Any) -> int | None:
    """Return a number that may be written as text or with a point."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None


class ChatReader:
    """The bytes of one answer, as they arrive -> chunks. The stream is one of server-sent events."""

    def __init__(self, model: str, url: str) -> None:
        self._model = model
        self._url = url
        self._rest = b""
        self._thoughts = _Thoughts()
        self._reason: FinishReason | None = None
        self._usage: Usage | None = None
        self.done = False
        """Whether the answer is complete; nothing that follows matters."""

    def feed(self, data: bytes) -> Chunk | None:
        """Return what ``data`` adds to the answer. Raises ProviderError or PromptTooLong if it tells of an error."""
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._rest += data
            return None
        lines, self._rest = (self._rest + head).split(b"\n"), rest
        return self._read(lines)

    def end(self) -> Chunk | None:
        """Return what is left when the stream has ended; ``done`` tells whether that was the end of the answer."""
        rest, self._rest = self._rest, b""
        chunk = self._read([rest]) if rest.strip() else None
        return chunk or (self._last("") if self._reason and not self.done else None)

    def whole(self, body: bytes) -> Chunk | None:
        """Return all of an answer that came as one object, as some gateways send it. Raises as ``feed`` does."""
        text = self._taken(self._decoded(body))
        self._reason = self._reason or "stop"
        return self._last(text)

    def _read(self, lines: list[bytes]) -> Chunk | None:
        text = ""
        for line in lines:
            kind, colon, data = line.partition(b":")
            data = data.strip()
            if not colon or kind not in (b"data", b"error"):
                continue  # comments, names of events, and the empty lines between them
            if data == b"[DONE]":
                return self._last(text)
            text += self._taken(self._decoded(data, failed=kind == b"error"))
        return Chunk(text) if text else None

    def _decoded(self, data: bytes, *, failed: bool = False) -> _Frame:
        try:
            frame = _frame.decode(data)
        except msgspec.MsgspecError as error:
            raise not_compatible(self._url, str(error)) from error
        if failed or frame.error is not None or frame.choices is None:
            body = msgspec.json.decode(data)
            if body.keys() & {"error", "message", "detail"}:
                raise frame_error(body, self._model, self._url)
            raise not_compatible(self._url, "no choices")
        return frame

    def _taken(self, frame: _Frame) -> str:
        if frame.usage is not None:
            self._usage = Usage(frame.usage.prompt_tokens or 0, frame.usage.completion_tokens or 0)
        if not frame.choices:
            return ""
        choice = frame.choices[0]
        if choice.finish_reason is not None:
            self._reason = _REASONS.get(choice.finish_reason, "stop")
        part = choice.delta or choice.message
        content = "" if part is None or part.content is None else part.content
        if not isinstance(content, str):
            content = "".join(str(item.get("text", "")) for item in content if item.get("type") == "text")
        return self._thoughts.without(content)

    def _last(self, text: str) -> Chunk | None:
        if self._reason is None:
            return Chunk(text) if text else None
        self.done = True
        return Chunk(text + self._thoughts.end(), self._reason, self._usage)


_REASONS: Final[dict[str, FinishReason]] = {"length": "length", "content_filter": "content_filter"}


class _Thoughts:
    """Keeps out what a model thinks in ``<think>`` tags at the beginning of its answer.

    Servers with a parser for it put thoughts into a field of their own; others leave them in the text.
    """

    _TAGS = ("<think>", "</think>")

    def __init__(self) -> None:
        self._held = ""
        self._waits_for: str | None = self._TAGS[0]

    def without(self, text: str) -> str:
        """Return what is certain to belong to the answer."""
        if self._waits_for is None:
            return text
        self._held += text
        opening, closing = self._TAGS
        if self._waits_for == opening:
            begun = self._held.lstrip()
            if begun.startswith(opening):
                self._waits_for, self._held = closing, begun.removeprefix(opening)
            elif not opening.startswith(begun):
                return self.end()
        if self._waits_for == closing and closing in self._held:
            answer = self._held.partition(closing)[2].lstrip()
            if answer:
                self._held = answer
                self._waits_for = opening
                return self.end()
        elif self._waits_for == closing:
            self._held = self._held[-len(closing) :]
        return ""

    def end(self) -> str:
        """Return what was held back and is part of the answer after all."""
        held = self._held if self._waits_for == self._TAGS[0] else ""
        self._waits_for, self._held = None, ""
        return held
