"""Converts ORBIT's conversations to requests of the Messages API. Pure functions, without connections."""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from orbit import File, GenerateOptions, Image, Message, Part, ProviderError, Thought, Tool, ToolChoice
from orbit.upstreams import function_of
from orbit_anthropic import thinking
from orbit_anthropic.models import Model
from orbit_anthropic.settings import AnthropicSettings

REDACTED: Final = "redacted:"
"""Begins the signature of thoughts that only the server can read. No signature in base64 has a colon."""
_WITHOUT_EFFECT: Final[dict[str, tuple[float, ...]]] = {
    "min_p": (0,),
    "repeat_penalty": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "seed": (),
}
"""Options that the API does not have, and values of them that change nothing."""
_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")
_JSON: Final = "Answer with one JSON object and nothing else."
_NO_TEXT: Final = "."
"""Stands for an answer or a question without text, which the API does not take."""


class Plan(msgspec.Struct, frozen=True):
    """How to ask: the server's name for the model, what its list says, and which workarounds it needs."""

    model: str
    listed: Model | None = None
    adaptive: bool = True
    """Whether the model takes adaptive thinking, rather than a budget."""
    thoughts: bool = True
    """Whether it accepts the thoughts that a conversation brings back."""


def message_body(
    settings: AnthropicSettings, messages: Sequence[Message], options: GenerateOptions, plan: Plan
) -> bytes:
    """Return the body of ``POST /v1/messages``. Raises ProviderError for what the API cannot express.

    It always requests a stream, even for clients that do not stream: this distinguishes a hanging server from a writing
    one.
    """
    if options.strict:
        _check_options(options)
    tokens = options.max_tokens or settings.max_tokens
    body: dict[str, Any] = {
        **_prompt(settings, messages, options, plan),
        "max_tokens": tokens,
        "stream": True,
        "stop_sequences": options.stop or None,
        "temperature": _first(options.temperature, settings.temperature),
        "top_p": _first(options.top_p, settings.top_p),
        "top_k": _first(options.top_k, settings.top_k),
        "cache_control": {"type": "ephemeral"} if settings.cache else None,
    }
    asked = thinking.wish(settings, options)
    complete = plan.adaptive or not thinking.lacks_thoughts(messages, accepted=plan.thoughts)
    wish = thinking.possible(asked, options) if complete or asked is None else thinking.OFF
    if wish is not None and not wish.off:
        body |= {"temperature": None, "top_p": options.top_p, "top_k": None}
    body |= thinking.fields(wish, plan.listed, tokens, adaptive=plan.adaptive)
    if options.json_schema is not None and not _is_any_object(options.json_schema):
        form = {"type": "json_schema", "schema": options.json_schema}
        body["output_config"] = body.get("output_config", {}) | {"format": form}
    return _encoded(options.extra | body | settings.extra_body)


def count_body(settings: AnthropicSettings, messages: Sequence[Message], options: GenerateOptions, plan: Plan) -> bytes:
    """Return the body of ``POST /v1/messages/count_tokens``."""
    return _encoded(_prompt(settings, messages, options, plan))


def _prompt(
    settings: AnthropicSettings, messages: Sequence[Message], options: GenerateOptions, plan: Plan
) -> dict[str, Any]:
    """Return the fields that make up a prompt."""
    system = [message.content for message in messages if message.role == "system" and message.content]
    if options.json_schema is not None and _is_any_object(options.json_schema):
        system.append(_JSON)
    prompt: dict[str, Any] = {
        "model": plan.model or options.model or settings.model,
        "messages": _messages([message for message in messages if message.role != "system"], thoughts=plan.thoughts),
        "system": "\n\n".join(system) or None,
    }
    if options.tools:
        prompt |= {"tools": [_tool(tool) for tool in options.tools], "tool_choice": _choice(options)}
    return prompt


def _messages(messages: Sequence[Message], *, thoughts: bool) -> list[dict[str, Any]]:
    """Return the messages: the results of tools are the user's, and consecutive messages of one role are one."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, thoughts=thoughts))
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    for message_ in merged:
        message_["content"] = message_["content"] or [{"type": "text", "text": _NO_TEXT}]
    if merged and merged[-1]["role"] == "assistant":  # the API does not take white space at the end
        last = merged[-1]["content"][-1]
        if last["type"] == "text":
            last["text"] = last["text"].rstrip() or _NO_TEXT
    return merged


def _blocks(message: Message, *, thoughts: bool) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        content: Any = [_part(part) for part in message.parts] if message.parts else message.content
        yield {"type": "tool_result", "tool_use_id": _id(message.tool_call_id), "content": content or None}
        return
    if thoughts:
        yield from map(_thought, message.thoughts)
    if message.parts:
        yield from (_part(part) for part in message.parts)
    elif message.content.strip():
        yield {"type": "text", "text": message.content}
    for call in message.tool_calls:
        arguments = msgspec.Raw(call.arguments.encode())
        yield {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": arguments}


def _thought(thought: Thought) -> dict[str, Any]:
    if thought.signature.startswith(REDACTED):
        return {"type": "redacted_thinking", "data": thought.signature.removeprefix(REDACTED)}
    return {"type": "thinking", "thinking": thought.text, "signature": thought.signature}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "image", "source": _base64(part)}
    if not isinstance(part, File):
        return {"type": "text", "text": part.text or _NO_TEXT}
    title = {"title": part.name} if part.name else {}
    if part.media_type == "application/pdf":
        return {"type": "document", "source": _base64(part), **title}
    try:
        text = part.data.decode()
    except UnicodeDecodeError:
        sentence = "The model reads PDF files and texts only."
        raise ProviderError(
            f"it reads no files of the type {part.media_type}.", kind="rejected", client=sentence, option="messages"
        ) from None
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text}, **title}


def _base64(part: Image | File) -> dict[str, Any]:
    data = base64.b64encode(part.data).decode()
    return {"type": "base64", "media_type": part.media_type, "data": data}


def _tool(tool: Tool) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": tool.name, "input_schema": {"type": "object", **function_of(tool)["parameters"]}}
    if tool.description:
        fields["description"] = tool.description
    return fields | ({"strict": True} if tool.strict else {})


def _choice(options: GenerateOptions) -> dict[str, Any] | None:
    choice = options.tool_choice or ToolChoice()
    serial = {"disable_parallel_tool_use": True} if options.parallel_tool_calls is False else {}
    if choice.mode == "none":
        return {"type": "none"}
    if choice.name:
        return {"type": "tool", "name": choice.name, **serial}
    if choice.mode == "required":
        return {"type": "any", **serial}
    return {"type": "auto", **serial} if serial else None


def _id(call_id: str) -> str:
    """Return an id of a call in the characters that the API takes: other servers have others."""
    return _NOT_IN_IDS.sub("_", call_id)


def _is_any_object(schema: dict[str, Any]) -> bool:
    """Return whether a schema only asks for JSON. The API takes none that leaves the fields open."""
    return not schema.keys() - {"type"}


def _check_options(options: GenerateOptions) -> None:
    """Raise ProviderError for an option that the API does not have."""
    for option, values in _WITHOUT_EFFECT.items():
        if getattr(options, option) not in (None, *values):
            sentence = f"This model does not accept the parameter '{option}'."
            raise ProviderError(f"the API has no {option}.", kind="rejected", client=sentence, option=option)
    if options.temperature is not None and options.temperature > 1:
        sentence = "This model does not accept a temperature above 1."
        raise ProviderError("temperature is above 1.", kind="rejected", client=sentence, option="temperature")


def _first(asked: Any, configured: Any) -> Any:
    return configured if asked is None else asked


def _encoded(body: dict[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in body.items() if value is not None})
