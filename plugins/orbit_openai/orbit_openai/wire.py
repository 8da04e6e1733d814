"""Converts between OpenAI's JSON and ORBIT's types. Pure functions, without connections."""

import base64
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from orbit import Capability, File, GenerateOptions, Image, Message, Part, ProviderError, Tool, ToolChoice
from orbit.upstreams import function_of, loose_json, without_system
from orbit_openai.errors import not_compatible
from orbit_openai.settings import Dialect, OpenAISettings

_EXTENSIONS: Final[dict[str, dict[str, str]]] = {
    "openai": {},
    "vllm": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
    "llama.cpp": {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repeat_penalty"},
}
"""Sampling options beyond OpenAI's, under each server's name for them."""
_WITHOUT_EFFECT: Final[dict[str, tuple[float, ...]]] = {"top_k": (-1, 0), "min_p": (0,), "repeat_penalty": (1,)}
"""Values of these options that change nothing."""
_OWNERS: Final[dict[str, Dialect]] = {"vllm": "vllm", "sglang": "vllm", "llamacpp": "llama.cpp"}
"""``owned_by`` in a server's model list -> the kind of server."""
_WINDOWS: Final = ("max_model_len", "context_length", "context_window", "max_context_length")
"""Names of the context window in model lists: vLLM's first, then those of other servers."""


class Model(msgspec.Struct, frozen=True):
    """A model of a server. ``window`` is in tokens; None if the server gives none."""

    name: str
    window: int | None = None
    dialect: Dialect = "openai"
    supports: frozenset[Capability] | None = None
    """What the list says that it supports; None if it does not say."""


class _Embedding(msgspec.Struct):
    embedding: list[float]
    index: int = 0


class _Embeddings(msgspec.Struct):
    data: list[_Embedding]


_embeddings = msgspec.json.Decoder(_Embeddings)


def chat_body(  # all parts of a request
    settings: OpenAISettings,
    dialect: Dialect,
    messages: Sequence[Message],
    options: GenerateOptions,
    *,
    model: str = "",
    quirks: AbstractSet[str] = frozenset(),
) -> bytes:
    """Return the body of ``POST /chat/completions``. ``model`` is the server's name for it; ``quirks`` are workarounds.

    It always requests a stream, even for clients that do not stream: this distinguishes a hanging server from a writing
    one.
    """
    max_tokens = settings.max_tokens_field
    for field in ("max_tokens", "max_completion_tokens"):
        if field in quirks:
            max_tokens = field
    messages = without_system(messages) if "no system" in quirks else messages
    body: dict[str, Any] = {
        "model": model or options.model or settings.model,
        "messages": [_message(message) for message in messages],
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
    body |= _thinking(settings.think if options.reasoning_effort is None else _effort(options), dialect)
    if options.tools:
        body |= _tools(options)
    if options.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": options.logprobs or None}
    if dialect == "vllm" and messages[-1].role == "assistant":
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    if options.response_format is not None:
        body["response_format"] = options.response_format
    elif options.json_schema is not None:
        # "strict" makes OpenAI reject schemas that leave anything open; other servers always enforce the schema.
        strict = options.json_schema.get("additionalProperties") is False
        schema = {"name": "answer", "schema": options.json_schema, "strict": strict}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return _encoded(options.extra | body | settings.extra_body)


def _message(message: Message) -> Message | dict[str, Any]:
    """Return a message in OpenAI's form, which is ORBIT's if it is only text."""
    if not (message.parts or message.tool_calls or message.tool_call_id):
        return message
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.parts:
        written["content"] = [_part(part) for part in message.parts]
    if message.tool_calls:
        written["content"] = message.content or None
        written["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        written["tool_call_id"] = message.tool_call_id
    return written


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Image):
        image = {"url": _data_url(part)} | ({"detail": part.detail} if part.detail else {})
        return {"type": "image_url", "image_url": image}
    if isinstance(part, File):
        return {"type": "file", "file": {"filename": part.name or "file", "file_data": _data_url(part)}}
    return {"type": "text", "text": part.text}


def _data_url(part: Image | File) -> str:
    return f"data:{part.media_type};base64,{base64.b64encode(part.data).decode()}"


def _tools(options: GenerateOptions) -> dict[str, Any]:
    """Return the fields of tools."""
    return {
        "tools": [{"type": "function", "function": _function(tool)} for tool in options.tools],
        "tool_choice": _choice(options.tool_choice),
        "parallel_tool_calls": options.parallel_tool_calls,
    }


def _function(tool: Tool) -> dict[str, Any]:
    fields = function_of(tool) | {"strict": tool.strict}
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _choice(choice: ToolChoice | None) -> Any:
    if choice is None:
        return None
    return {"type": "function", "function": {"name": choice.name}} if choice.name else choice.mode


def _effort(options: GenerateOptions) -> bool | str | None:
    return False if options.reasoning_effort == "none" else options.reasoning_effort


def _check_options(dialect: Dialect, options: GenerateOptions) -> None:
    """Raise ProviderError for an option that the server does not have."""
    for option, values in _WITHOUT_EFFECT.items():
        asked = getattr(options, option)
        if asked is not None and asked not in values and option not in _EXTENSIONS[dialect]:
            sentence = f"the dialect '{dialect}' has no {option}; set `dialect` to the server's."
            told = f"This model does not accept the parameter '{option}'."
            raise ProviderError(sentence, kind="rejected", client=told, option=option)


def _thinking(think: bool | str | None, dialect: Dialect) -> dict[str, Any]:
    """Return the fields that control thinking. Servers of open models pass them on to the chat template."""
    if think is None:
        return {}
    effort = think if isinstance(think, str) else None
    if dialect == "openai":
        return {"reasoning_effort": effort or (None if think else "none")}
    switches: dict[str, Any] = {"enable_thinking": bool(think), "thinking": bool(think)}
    if effort and dialect == "llama.cpp":
        switches["reasoning_effort"] = effort
    return {"chat_template_kwargs": switches, "reasoning_effort": effort if dialect == "vllm" else None}


def embed_body(settings: OpenAISettings, texts: Sequence[str | Sequence[int]], prefix: str, model: str = "") -> bytes:
    """Return the body of ``POST /embeddings`` for texts or token ids, which have no prefix.

    Replace empty texts, which servers reject, by a space.
    """
    body: dict[str, Any] = {
        "model": model or settings.embed_model,
        "input": [prefix + text or " " if isinstance(text, str) else text for text in texts],
        "encoding_format": "float",
        "dimensions": settings.dimensions,
    }
    return _encoded(body | settings.extra_embed_body)


def _first(asked: Any, configured: Any) -> Any:
    return configured if asked is None else asked


def _encoded(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})


def vectors_from(body: bytes, count: int, url: str) -> list[list[float]]:
    """Return the ``count`` vectors of a response, in the order of the texts. Raises ProviderError."""
    try:
        data = sorted(_embeddings.decode(body).data, key=lambda item: item.index)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise not_compatible(url, str(error)) from error
    vectors = [item.embedding for item in data]
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise not_compatible(url, f"{len(vectors)} vectors for {count} texts")
    return vectors


def models_from(body: bytes, url: str) -> list[Model]:
    """Return the models of ``GET /models``; none if it is not a list. Raises ProviderError if it is not JSON."""
    try:
        found = loose_json(body)
    except ValueError as error:
        raise not_compatible(url, "it is not a list of models") from error
    if isinstance(found, dict):
        found = next((found[name] for name in ("data", "models", "result") if isinstance(found.get(name), list)), [])
    return [model for item in found for model in _models(item)] if isinstance(found, list) else []


def _models(item: Any) -> Iterator[Model]:
    """Yield one model of a list under all names that the list gives it."""
    if isinstance(item, str):
        yield Model(item)
    if not isinstance(item, dict):
        return
    meta = item.get("meta")  # llama.cpp
    facts = item | meta if isinstance(meta, dict) else item
    windows = [window for name in (*_WINDOWS, "n_ctx", "n_ctx_train") if (window := _whole(facts.get(name)))]
    owner = _OWNERS.get(str(item.get("owned_by")), "openai")
    name = item.get("id") or item.get("name") or item.get("model")
    aliases = item.get("aliases")
    for known in [name, *(aliases if isinstance(aliases, list) else [])]:
        if known:
            yield Model(str(known), next(iter(windows), None), owner, _supports(item))


_PARAMETERS: Final[dict[str, Capability]] = {
    "tools": "tools",
    "reasoning": "reasoning",
    "reasoning_effort": "reasoning",
    "structured_outputs": "json_schema",
    "response_format": "json_schema",
    "logprobs": "logprobs",
}
_MODALITIES: Final[dict[str, Capability]] = {
    "image": "images",
    "vision": "images",
    "multimodal": "images",
    "file": "files",
}
_FEATURES: Final[dict[str, Capability]] = {"function_calling": "tools", "tools": "tools", "reasoning": "reasoning"}


def _supports(item: dict[str, Any]) -> frozenset[Capability] | None:
    """Return what a list says about a model: OpenRouter's form, or Mistral's; None if it does not say."""
    features, parameters = item.get("capabilities"), item.get("supported_parameters")
    if isinstance(features, dict) and any(name in features for name in (*_FEATURES, *_MODALITIES)):
        known = {word for name, word in (_FEATURES | _MODALITIES).items() if features.get(name)}
        return frozenset(known | {"json_schema"})
    if not isinstance(parameters, list):
        return None
    found = {word for name, word in _PARAMETERS.items() if name in parameters}
    architecture = item.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    if isinstance(modalities, list):
        found |= {word for name, word in _MODALITIES.items() if name in modalities}
    return frozenset(found)


_EVERYTHING: Final[frozenset[Capability]] = frozenset(
    {"tools", "images", "files", "reasoning", "json_schema", "logprobs"}
)


def supported(settings: OpenAISettings, dialect: Dialect, listed: Model | None) -> frozenset[Capability]:
    """Return what a model supports: what the operator says, or the list, or else all that the server's API has.

    Few servers say it. Those that do not refuse what their model cannot do, and the client gets that as 400.
    """
    if settings.supports is not None:
        return frozenset(settings.supports)
    if listed is not None and listed.supports is not None:
        return listed.supports
    return _EVERYTHING if dialect == "openai" else (_EVERYTHING - {"files"}) | {"continue"}


def _whole(value: Any) -> int | None:
    """Return a whole number, also from a text or a float."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
