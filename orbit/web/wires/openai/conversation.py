"""The messages of a request for a completion, checked and translated."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from orbit.types import Part, Text, ToolCall
from orbit.web.wires.attachments import BadAttachment
from orbit.web.wires.checks import ParameterError, check_arguments
from orbit.web.wires.conversation import Collector, Conversation, in_order


class ImageUrl(msgspec.Struct, frozen=True):
    """The address of an image, usually a data URL."""

    url: str
    detail: str | None = None


class AttachedFile(msgspec.Struct, frozen=True):
    """A file: its content as a data URL or in base64, and its name."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class ContentPart(msgspec.Struct, frozen=True):
    """A piece of a message's content: text, an image or a file."""

    type: str
    text: str = ""
    refusal: str = ""
    image_url: ImageUrl | str | None = None
    file: AttachedFile | None = None


class FunctionCall(msgspec.Struct, frozen=True):
    """The function that the assistant called, with its arguments as JSON."""

    name: str
    arguments: str = ""


class AssistantToolCall(msgspec.Struct, frozen=True):
    """A call of a tool in an earlier answer."""

    id: str
    function: FunctionCall
    type: str = "function"


_SKIPPED: Final = frozenset({"thinking", "reasoning", "redacted_thinking", "server_tool_call", "server_tool_result"})
"""Parts of earlier answers that models do not read again."""


class ChatMessage(msgspec.Struct, frozen=True):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[AssistantToolCall] | None = None
    tool_call_id: str | None = None


def conversation_of(messages: list[ChatMessage], *, fetches: bool = False) -> Conversation:
    """Check and split a conversation. Raises ParameterError that names the message at fault.

    ``fetches``: images may have addresses on other servers.
    """
    collector = Collector(fetches=fetches)
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        text, parts = _content(message, where, collector)
        if message.role in ("system", "developer"):
            collector.system(text, where)
        elif message.role == "tool":
            collector.result(message.tool_call_id, text, parts, f"{where}.tool_call_id")
        elif message.role == "function":
            raise ParameterError(f"{where}.role", "Messages of the role 'function' are not supported.")
        elif message.role == "user":
            collector.user(text, parts, where)
        else:
            collector.answer(text, _calls(message, where), where)
    return collector.conversation(f"messages[{len(messages) - 1}]")


def _calls(message: ChatMessage, where: str) -> tuple[ToolCall, ...]:
    return tuple([_call(call, f"{where}.tool_calls[{place}]") for place, call in enumerate(message.tool_calls or ())])


def _call(call: AssistantToolCall, where: str) -> ToolCall:
    if call.type != "function":
        raise ParameterError(f"{where}.type", "Only calls of functions are supported.")
    arguments = check_arguments(call.function.arguments, f"{where}.function.arguments")
    return ToolCall(call.id, call.function.name, arguments)


def _content(message: ChatMessage, where: str, collector: Collector) -> tuple[str, tuple[Part, ...]]:
    """Return the text of a message, and its parts if not all are text."""
    content = message.content
    if content is None:
        return "", ()
    if isinstance(content, str):
        return content, ()
    said = [
        (place, part)
        for place, part in enumerate(content)
        if not (message.role == "assistant" and part.type in _SKIPPED)
    ]
    text, parts = in_order(_part(part, f"{where}.content[{place}]", collector) for place, part in said)
    if parts and message.role not in ("user", "tool"):
        raise ParameterError(f"{where}.content", f"A message of the role '{message.role}' can only hold text.")
    return text, parts


def _part(part: ContentPart, where: str, collector: Collector) -> Part:
    if part.type in ("text", "refusal"):
        return Text(part.text or part.refusal)
    try:
        if part.type == "image_url" and part.image_url is not None:
            given = ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
            return collector.image(given.url, f"{where}.image_url", given.detail or "")
        if part.type == "file" and part.file is not None:
            if part.file.file_data is None:
                raise BadAttachment("this server keeps no files; send 'file_data'.")
            return collector.file(part.file.file_data, part.file.filename or "")
    except BadAttachment as error:
        what = "image" if part.type == "image_url" else "file"
        raise ParameterError(f"{where}.{part.type}", f"The {what} cannot be used: {error}") from error
    detail = f"Content of the type '{part.type[:50]}' is not supported; text, image_url and file are."
    raise ParameterError(where, detail)
