"""The input items of a request for a response, checked and translated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from orbit.types import Message, Part, Text, Thought, ToolCall
from orbit.web.http.body import place_of
from orbit.web.wires.attachments import BadAttachment
from orbit.web.wires.checks import ParameterError, check_arguments
from orbit.web.wires.conversation import Collector, Conversation, in_order

Item: TypeAlias = dict[str, Any]
Items: TypeAlias = Annotated[
    list[Item],
    Meta(
        description="Messages, calls of functions and their results, in order. Items of earlier answers may be among "
        "them as they came."
    ),
]
T = TypeVar("T", bound=msgspec.Struct)

_SKIPPED: Final = frozenset(
    {
        *("file_search_call", "web_search_call", "code_interpreter_call", "image_generation_call"),
        *("mcp_list_tools", "mcp_call", "tool_search_call", "tool_search_output", "program", "program_output"),
    }
)
"""Items of earlier answers that say how they came about. The model does not read them."""


class InputPart(msgspec.Struct, frozen=True):
    """A piece of a message's content: text, an image or a file."""

    type: str
    text: str = ""
    refusal: str = ""
    image_url: str | None = None
    detail: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    filename: str | None = None


Content: TypeAlias = str | list[InputPart]


class MessageItem(msgspec.Struct, frozen=True):
    """A message, of the client or of an earlier answer."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Content


class CallItem(msgspec.Struct, frozen=True):
    """A call of a function in an earlier answer."""

    call_id: str
    name: str
    arguments: str = ""


class ResultItem(msgspec.Struct, frozen=True):
    """The result of a call."""

    call_id: str
    output: Content


class ThoughtText(msgspec.Struct, frozen=True):
    """A piece of thoughts."""

    text: str = ""


class ReasoningItem(msgspec.Struct, frozen=True):
    """The thoughts of an earlier answer."""

    summary: list[ThoughtText] = []
    content: list[ThoughtText] | None = None
    encrypted_content: str | None = None


class ReferenceItem(msgspec.Struct, frozen=True):
    """An item of a stored response by its id."""

    id: str


_RESPONSE_OF: Final = re.compile(r"(?:msg|fc|fs|rs|mcp)_([0-9a-f]+)(?:_\d+)?")


def responses_of(items: Sequence[Item]) -> dict[str, str]:
    """Return the ids of the responses that the references among the items belong to, each with a reference's place."""
    found: dict[str, str] = {}
    for number, item in enumerate(items):
        if item.get("type") == "item_reference":
            where = f"input[{number}].id"
            match = _RESPONSE_OF.fullmatch(str(item.get("id")))
            if match is None:
                raise unknown_item(str(item.get("id")), where)
            found.setdefault(f"resp_{match[1]}", where)
    return found


def unknown_item(name: str, where: str) -> ParameterError:
    """Return the error for a reference to an item that is not stored."""
    return ParameterError(where, f"There is no item '{name[:100]}': it was not stored, was deleted, or has expired.")


def conversation_of(
    given: str | Sequence[Item],
    *,
    earlier: Sequence[Message] = (),
    stored: Mapping[str, Item] | None = None,
    fetches: bool = False,
) -> Conversation:
    """Check and split a conversation. Raises ParameterError that names the item at fault.

    ``earlier`` are the messages before it. ``stored`` are the items that references may name, by their ids.
    ``fetches``: images may have addresses on other servers.
    """
    items: Sequence[Item] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    reader = _Reader(Collector(fetches=fetches), stored or {})
    reader.collector.earlier(earlier)
    for number, item in enumerate(items):
        reader.take(item, "input" if isinstance(given, str) else f"input[{number}]")
    reader.finish_answer()
    return reader.collector.conversation(f"input[{len(items) - 1}]" if items else "input")


class _Reader:
    """Reads items in order. The parts of an answer come as items of their own and become one message."""

    def __init__(self, collector: Collector, stored: Mapping[str, Item]) -> None:
        self.collector = collector
        self._stored = stored
        self._text: list[str] = []
        self._calls: list[ToolCall] = []
        self._thoughts: list[Thought] = []
        self._where = ""
        """The place of the answer that is being read; empty if there is none."""

    def take(self, item: Item, where: str) -> None:
        """Read one item."""
        kind = item.get("type", "message")
        if not isinstance(kind, str):
            raise ParameterError(f"{where}.type", "The type of an item must be text.")
        if kind == "message":
            self._message(_converted(item, MessageItem, where), where)
        elif kind == "function_call":
            call = _converted(item, CallItem, where)
            self._calls.append(ToolCall(call.call_id, call.name, check_arguments(call.arguments, f"{where}.arguments")))
            self._where = self._where or where
        elif kind == "function_call_output":
            self.finish_answer()
            result = _converted(item, ResultItem, where)
            text, parts = self._content(result.output, f"{where}.output")
            self.collector.result(result.call_id, text, parts, f"{where}.call_id")
        elif kind == "reasoning":
            self._reasoning(_converted(item, ReasoningItem, where))
        elif kind == "item_reference":
            name = _converted(item, ReferenceItem, where).id
            if name not in self._stored:
                raise unknown_item(name, f"{where}.id")
            self.take(self._stored[name], where)
        elif kind not in _SKIPPED:
            raise ParameterError(f"{where}.type", f"Items of the type '{kind[:50]}' are not supported.")

    def finish_answer(self) -> None:
        """Pass on the answer that has been read so far."""
        if self._where:
            thoughts = tuple(self._thoughts)
            self.collector.answer("".join(self._text), tuple(self._calls), self._where, thoughts=thoughts)
        self._text, self._calls, self._thoughts, self._where = [], [], [], ""

    def _message(self, message: MessageItem, where: str) -> None:
        if message.role != "assistant" or self._calls:
            self.finish_answer()
        text, parts = self._content(message.content, f"{where}.content")
        if parts and message.role != "user":
            raise ParameterError(f"{where}.content", f"A message of the role '{message.role}' can only hold text.")
        if message.role == "user":
            self.collector.user(text, parts, where)
        elif message.role == "assistant":
            self._text.append(text)
            self._where = self._where or where
        else:
            self.collector.system(text, where)

    def _reasoning(self, item: ReasoningItem) -> None:
        """Keep thoughts with a signature for the answer that follows; models do not read others again."""
        if self._text or self._calls:
            self.finish_answer()
        if item.encrypted_content:
            text = "".join(piece.text for piece in item.content or item.summary)
            self._thoughts.append(Thought(text, item.encrypted_content))

    def _content(self, content: Content, where: str) -> tuple[str, tuple[Part, ...]]:
        """Return the text of some content, and its parts if not all are text."""
        if isinstance(content, str):
            return content, ()
        return in_order([self._part(part, f"{where}[{place}]") for place, part in enumerate(content)])

    def _part(self, part: InputPart, where: str) -> Part:
        if part.type in ("input_text", "output_text", "text", "refusal"):
            return Text(part.text or part.refusal)
        try:
            if part.type == "input_image":
                if part.image_url is None:
                    raise BadAttachment("this server keeps no files; send 'image_url'.")
                return self.collector.image(part.image_url, f"{where}.image_url", part.detail or "")
            if part.type == "input_file":
                if part.file_data is None:
                    raise BadAttachment("this server keeps and fetches no files; send 'file_data'.")
                return self.collector.file(part.file_data, part.filename or "")
        except BadAttachment as error:
            what, field = ("image", "image_url") if part.type == "input_image" else ("file", "file_data")
            raise ParameterError(f"{where}.{field}", f"The {what} cannot be used: {error}") from error
        detail = f"Content of the type '{part.type[:50]}' is not supported; input_text, input_image and input_file are."
        raise ParameterError(where, detail)


def _converted(item: Item, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(item, kind)
    except msgspec.ValidationError as error:
        detail = str(error).replace("`$.", f"`$.{where}.")
        raise ParameterError(".".join(filter(None, (where, place_of(error)))), f"{detail}.") from error
