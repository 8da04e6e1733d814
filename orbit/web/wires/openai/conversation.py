"""The messages of a request for a completion, checked and translated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from orbit.types import Image, Message, Part, Text, ToolCall
from orbit.web.wires.attachments import BadAttachment, data_of, file_of, image_of
from orbit.web.wires.openai.errors import ParameterError


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


class ChatMessage(msgspec.Struct, frozen=True):
    """A message of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    tool_calls: list[AssistantToolCall] | None = None
    tool_call_id: str | None = None


class Conversation(msgspec.Struct, frozen=True):
    """A conversation: system messages, the turns before the question, the question, and the messages after it.

    ``attached`` counts the characters of images and files in the request. ``remote`` are the addresses of images that
    are to be fetched, each with its place in the request; until then the image has no data, and its address as type.
    """

    system: str
    history: tuple[Message, ...]
    question: Message
    later: tuple[Message, ...]
    attached: int = 0
    remote: tuple[tuple[str, str], ...] = ()

    def with_images(self, images: Mapping[str, Image]) -> Conversation:
        """Return the conversation with the images that were fetched, by their addresses."""

        def filled(message: Message) -> Message:
            parts = tuple(
                [
                    msgspec.structs.replace(images[part.media_type], detail=part.detail)
                    if isinstance(part, Image) and not part.data
                    else part
                    for part in message.parts
                ]
            )
            return msgspec.structs.replace(message, parts=parts)

        history, later = tuple(map(filled, self.history)), tuple(map(filled, self.later))
        return Conversation(self.system, history, filled(self.question), later, self.attached)


def conversation_of(messages: list[ChatMessage], *, fetches: bool = False) -> Conversation:
    """Check and split a conversation. Raises ParameterError that names the message at fault.

    ``fetches``: images may have addresses on other servers.
    """
    remote: list[tuple[str, str]] | None = [] if fetches else None
    system: list[str] = []
    turns: list[Message] = []
    missing: list[str] = []  # calls whose results have to follow
    for number, message in enumerate(messages):
        if missing and message.role != "tool":
            raise _unanswered(number, missing)
        text, parts = _content(message, number, remote)
        if message.role in ("system", "developer"):
            system.append(text)
        elif message.role == "tool":
            turns.append(_result(message, number, text, parts, missing))
        elif message.role == "function":
            raise ParameterError(f"messages[{number}].role", "Messages of the role 'function' are not supported.")
        elif message.role == "user" or message.tool_calls or text.strip():
            calls = _calls(message, number)
            missing = [call.id for call in calls]
            turns.append(Message("user" if message.role == "user" else "assistant", text, parts, calls))
        elif turns and turns[-1].role == "user":
            turns.pop()  # an unanswered question; model servers refuse an empty answer to it
    if missing:
        raise _unanswered(len(messages) - 1, missing)
    conversation = _split("\n\n".join(system), turns, sum(map(_attached, messages)))
    return msgspec.structs.replace(conversation, remote=tuple(remote)) if remote else conversation


def _split(system: str, turns: list[Message], attached: int) -> Conversation:
    """Split the turns at the last question."""
    asked = max((place for place, turn in enumerate(turns) if turn.role == "user"), default=-1)
    question = turns[asked] if asked >= 0 else Message("user", "")
    if not (question.content.strip() or question.parts):
        raise ParameterError("messages", "there must be a user's question, and it must not be empty.")
    return Conversation(system, tuple(turns[:asked]), question, tuple(turns[asked + 1 :]), attached)


def _calls(message: ChatMessage, number: int) -> tuple[ToolCall, ...]:
    given = message.tool_calls if message.role == "assistant" else None
    return tuple([_call(call, number, place) for place, call in enumerate(given or ())])


def _result(message: ChatMessage, number: int, text: str, parts: tuple[Part, ...], missing: list[str]) -> Message:
    """Return the result of a tool, and cross its call off."""
    if message.tool_call_id not in missing:
        detail = "A message of the role 'tool' must follow the 'tool_calls' that it answers, and name one by its id"
        known = f": {', '.join(missing)}." if missing else "."
        raise ParameterError(f"messages[{number}].tool_call_id", detail + known)
    missing.remove(message.tool_call_id)
    return Message("tool", text, parts, tool_call_id=message.tool_call_id)


def _unanswered(number: int, missing: Iterable[str]) -> ParameterError:
    detail = f"The assistant's 'tool_calls' must be followed by their results. Missing: {', '.join(missing)}."
    return ParameterError(f"messages[{number}]", detail)


def _call(call: AssistantToolCall, number: int, place: int) -> ToolCall:
    where = f"messages[{number}].tool_calls[{place}]"
    if call.type != "function":
        raise ParameterError(f"{where}.type", "Only calls of functions are supported.")
    if not call.id:
        raise ParameterError(f"{where}.id", "A tool call must have an id.")
    arguments = call.function.arguments.strip() or "{}"
    try:
        known = isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        known = False
    if not known:
        raise ParameterError(f"{where}.function.arguments", "The arguments of a tool call must be a JSON object.")
    return ToolCall(call.id, call.function.name, arguments)


def _content(message: ChatMessage, number: int, remote: list[tuple[str, str]] | None) -> tuple[str, tuple[Part, ...]]:
    """Return the text of a message, and its parts if not all are text."""
    content = message.content
    if content is None:
        return "", ()
    if isinstance(content, str):
        return content, ()
    parts = [_part(part, f"messages[{number}].content[{place}]", remote) for place, part in enumerate(content)]
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) == len(parts):
        return "".join(texts), ()
    if message.role not in ("user", "tool"):
        detail = f"A message of the role '{message.role}' can only hold text."
        raise ParameterError(f"messages[{number}].content", detail)
    return "".join(texts), tuple(parts)


def _part(part: ContentPart, where: str, remote: list[tuple[str, str]] | None) -> Part:
    if part.type in ("text", "refusal"):
        return Text(part.text or part.refusal)
    try:
        if part.type == "image_url" and part.image_url is not None:
            given = ImageUrl(part.image_url) if isinstance(part.image_url, str) else part.image_url
            return _image(given, f"{where}.image_url", remote)
        if part.type == "file" and part.file is not None:
            if part.file.file_data is None:
                raise BadAttachment("this server keeps no files; send 'file_data'.")
            return file_of(part.file.file_data, part.file.filename or "")
    except BadAttachment as error:
        what = "image" if part.type == "image_url" else "file"
        raise ParameterError(f"{where}.{part.type}", f"The {what} cannot be used: {error}") from error
    detail = f"Content of the type '{part.type[:50]}' is not supported; text, image_url and file are."
    raise ParameterError(where, detail)


def _image(given: ImageUrl, where: str, remote: list[tuple[str, str]] | None) -> Image:
    if remote is not None and given.url[:8].lower().startswith(("http://", "https://")):
        remote.append((given.url, where))
        return Image(b"", given.url, given.detail or "")
    if given.url[:5].lower() != "data:":
        detail = "This server fetches no images. Send the image as a data URL: 'data:image/png;base64,...'."
        raise ParameterError(where, detail)
    data, _ = data_of(given.url)
    return image_of(data, given.detail or "")


def _attached(message: ChatMessage) -> int:
    """Return the characters of the images and files in a message."""
    if message.content is None or isinstance(message.content, str):
        return 0
    total = 0
    for part in message.content:
        if isinstance(part.image_url, ImageUrl):
            total += len(part.image_url.url)
        elif part.image_url is not None:
            total += len(part.image_url)
        if part.file is not None:
            total += len(part.file.file_data or "")
    return total
