"""Converts between Ollama's JSON and ORBIT's types. Pure functions, without connections."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from orbit import Capability, GenerateOptions, Image, Message, PromptTooLong, ProviderError
from orbit.upstreams import Busy, Refused, error_of_status, is_final, without_system
from orbit_ollama.settings import OllamaSettings
from orbit_ollama.tools import forced_instruction, forced_schema, is_forced, names_of_calls, offered

_SAMPLING: Final = (
    ("temperature", "temperature", "temperature"),
    ("top_p", "top_p", "top_p"),
    ("top_k", "top_k", "top_k"),
    ("min_p", "", "min_p"),
    ("repeat_penalty", "repeat_penalty", "repeat_penalty"),
    ("num_predict", "num_predict", "max_tokens"),
    ("seed", "", "seed"),
    ("presence_penalty", "", "presence_penalty"),
    ("frequency_penalty", "", "frequency_penalty"),
)
"""Ollama's option, our setting, the request's option. These change nothing about the loaded model."""


class _Embedded(msgspec.Struct):
    embeddings: list[list[float]]


class _Failure(msgspec.Struct):
    error: Any = None


_embedded = msgspec.json.Decoder(_Embedded)
_failure = msgspec.json.Decoder(_Failure)


def load_options(settings: OllamaSettings) -> dict[str, Any]:
    """Return the options for loading a model. They are the same in every call, or Ollama would reload the model."""
    options: dict[str, Any] = {"num_ctx": settings.num_ctx}
    if settings.num_threads is not None:
        options["num_thread"] = settings.num_threads
    return options


def chat_body(  # all parts of a request
    settings: OllamaSettings,
    messages: Sequence[Message],
    options: GenerateOptions,
    *,
    stream: bool,
    model: str = "",
    system: bool = True,
) -> bytes:
    """Return the body of ``POST /api/chat``. ``model`` is the server's name for it.

    Without ``system``, the first user message absorbs the system messages. Disabling ``truncate`` and ``shift`` makes
    the server reject prompts that exceed its context, instead of truncating them silently; old servers ignore both.
    """
    own = load_options(settings)
    for name, setting, asked in _SAMPLING:
        value = getattr(options, asked)
        if value is None and setting:
            value = getattr(settings, setting)
        if value is not None:
            own[name] = value
    own.setdefault("num_predict", settings.num_ctx)  # without a limit, servers that ignore ``shift`` never end
    if options.stop:
        own["stop"] = options.stop
    complete = with_system_prompt(messages, settings.default_system_prompt)
    if is_forced(options):
        complete = with_instruction(complete, forced_instruction(options))
    complete = complete if system else without_system(complete)
    names = names_of_calls(complete)
    body: dict[str, Any] = {
        "model": model or options.model or settings.model,
        "messages": [_message(message, names) for message in complete],
        "stream": stream,
        "truncate": False,
        "shift": False,
        "options": own,
    }
    body |= {name: value for name, value in _beyond_text(settings, options).items() if value not in (None, [])}
    if settings.kept_alive is not None:
        body["keep_alive"] = settings.kept_alive
    return msgspec.json.encode(options.extra | body)


def _beyond_text(settings: OllamaSettings, options: GenerateOptions) -> dict[str, Any]:
    """Return the fields of formats, tools, thoughts and probabilities."""
    think = settings.think if options.reasoning_effort is None else _EFFORTS.get(options.reasoning_effort, True)
    return {
        "format": forced_schema(options) if is_forced(options) else options.json_schema,
        "tools": offered(options),
        "think": think,
        "logprobs": None if options.logprobs is None else True,
        "top_logprobs": options.logprobs,
    }


_EFFORTS: Final[dict[str, bool | str]] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}


def _message(message: Message, names: Mapping[str, str]) -> Message | dict[str, Any]:
    """Return a message in Ollama's form, which is ORBIT's if it is only text. ``names`` are those of tools by call."""
    if not (message.parts or message.tool_calls or message.tool_call_id):
        return message
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    images = [base64.b64encode(part.data).decode() for part in message.parts if isinstance(part, Image)]
    if images:
        written["images"] = images
    if message.tool_calls:
        written["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": msgspec.Raw(call.arguments.encode())},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        written |= {"tool_call_id": message.tool_call_id, "tool_name": names.get(message.tool_call_id, "")}
    return written


_CAPABILITIES: Final[dict[str, Capability]] = {"tools": "tools", "vision": "images", "thinking": "reasoning"}


def supported(settings: OllamaSettings, told: Sequence[str] | None) -> frozenset[Capability]:
    """Return what a model supports: what the operator says, or the server (``told``; None from an old server)."""
    if settings.supports is not None:
        return frozenset(settings.supports)
    known = _CAPABILITIES.values() if told is None else (_CAPABILITIES[one] for one in told if one in _CAPABILITIES)
    return frozenset({*known, "json_schema", "logprobs"})


def with_instruction(messages: Sequence[Message], instruction: str) -> Sequence[Message]:
    """Return the conversation with one more instruction at the end of its system message."""
    if messages and messages[0].role == "system":
        return [Message("system", f"{messages[0].content}\n\n{instruction}"), *messages[1:]]
    return [Message("system", instruction), *messages]


def with_system_prompt(messages: Sequence[Message], prompt: str) -> Sequence[Message]:
    """Return the conversation, beginning with ``prompt`` if it has no system message."""
    if not prompt or (messages and messages[0].role == "system"):
        return messages
    return [Message("system", prompt), *messages]


def embed_body(settings: OllamaSettings, texts: Sequence[str], prefix: str, model: str = "") -> bytes:
    """Return the body of ``POST /api/embed``. Replace empty texts, for which some versions have no vector, by a space.

    Disabling ``truncate`` makes the server refuse a text that is too long: else nobody would know that it was cut.
    """
    body: dict[str, Any] = {
        "model": model or settings.embed_model,
        "input": [prefix + text or " " for text in texts],
        "truncate": False,
    }
    if settings.embed_model == settings.model:
        body["options"] = load_options(settings)
    elif settings.num_threads is not None:
        body["options"] = {"num_thread": settings.num_threads}
    if settings.kept_alive is not None:
        body["keep_alive"] = settings.kept_alive
    return msgspec.json.encode(body)


def embeddings_from(body: bytes, count: int) -> list[list[float]]:
    """Decode the ``count`` vectors in a response of ``/api/embed``. Raises ProviderError."""
    try:
        rows = _embedded.decode(body).embeddings
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise not_ollama(str(error)) from error
    if len(rows) != count:
        raise not_ollama(f"{len(rows)} vectors for {count} texts")
    if len({len(row) for row in rows}) > 1:
        raise not_ollama("vectors of several lengths")
    return rows


def not_ollama(detail: str) -> ProviderError:
    """Return the error for a response that is not in Ollama's format."""
    return ProviderError(f"the response is not Ollama's ({detail}). Is base_url an Ollama server?")


def oversized(what: str, limit: int) -> ProviderError:
    """Return the error for an implausibly long response; ``limit`` is in bytes."""
    return ProviderError(f"the server sent {what} of more than {limit >> 20} MiB; the rest was not read.")


def line_error(error: Any) -> ProviderError | PromptTooLong:
    """Return the error for an ``error`` line within an answer that began with status 200."""
    said = _sentence(error)
    if _TOO_LONG.search(said):
        return PromptTooLong(f"{said}. Ask a shorter question.")
    if "server busy" in said:
        return Busy(f"Ollama is busy: {said}", None)
    return Refused(f"Ollama failed: {said}", 200, said, kind="failed", retryable=not is_final(said))


_ACCESS: Final = "{url} denied access: {said}. Set the `headers` that it requires, or a user in base_url."
_SENTENCES: Final[dict[int, str]] = {
    401: _ACCESS,
    403: _ACCESS,
    404: "{url} does not know that address: {said}. Is base_url an Ollama server, without /v1?",
}
"""Status -> sentence, where it is not the usual one."""
_TOO_LONG: Final = re.compile(
    r"longer than the context|exceeds? (the |available |maximum )*context|input length exceeds"
    r"|(prompt|input) (is )?too long|max(imum)? context length",
    re.IGNORECASE,
)
"""Messages of servers about a prompt that they were asked not to truncate."""
_USED_UP: Final = re.compile(r"usage limit|upgrade for|quota", re.IGNORECASE)


def status_error(
    status: int, body: bytes, model: str, url: str, headers: Mapping[str, str] | None = None
) -> ProviderError | PromptTooLong:
    """Return the error for a status other than 200."""
    try:
        said = _sentence(_failure.decode(body).error)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        said = ""
    said = said or f"status {status} without an explanation"
    if status == 413 or (status == 400 and _TOO_LONG.search(said)):  # noqa: PLR2004  # the client's to mend
        return PromptTooLong(f"{said}. Ask a shorter question.")
    if status == 404 and re.search("model.* not found", said):  # noqa: PLR2004  # a proxy's says something else
        return ProviderError(f"{missing([model], url)}", kind="not_found")
    if status == 402 or (status == 429 and _USED_UP.search(said)):  # noqa: PLR2004  # Ollama's cloud
        return ProviderError(f"{url} requires payment: {said}")
    return error_of_status(status, headers or {}, said, said, url, _SENTENCES)


def missing(models: Sequence[str], url: str) -> str:
    """Return the sentence that says how to get models that a server does not have."""
    names = ", ".join(f"'{model}'" for model in models)
    what = "models" if len(models) > 1 else "model"
    pulls = " && ".join(f"ollama pull {model}" for model in models)
    return f"{url} does not have the {what} {names}. Get it with: {pulls}"


def _sentence(error: Any) -> str:
    """Return the text of an ``error`` field, which some proxies wrap in an object."""
    if isinstance(error, dict):
        error = error.get("message", "")
    return " ".join(str(error or "").split())[:500]
