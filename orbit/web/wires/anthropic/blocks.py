"""The messages of a request and their content blocks, checked and translated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from orbit.types import Part, Text, Thought, ToolCall
from orbit.web.wires.attachments import BadAttachment
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.conversation import Collector, Conversation, in_order

_BETWEEN: Final = "\n\n"
"""Between the texts of a message: its blocks are paragraphs of their own."""
_SKIPPED: Final = re.compile(r"redacted_thinking|(mcp|server)_tool_use|\w+_tool_result")
"""Blocks of earlier answers that the model does not read again."""
_FAILED: Final = "Error: "
"""Begins the result of a tool that failed, for the model."""


class BlockSource(msgspec.Struct, frozen=True):
    """Where an image or a document is: in base64, at an address, or as text or blocks."""

    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    content: str | list[MessageBlock] = ""


class MessageBlock(msgspec.Struct, frozen=True):
    """A content block. Its type says which of the other fields it has."""

    type: str
    text: str = ""
    source: BlockSource | str | None = None
    title: str | None = None
    context: str | None = None
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}
    tool_use_id: str = ""
    content: str | list[MessageBlock] | dict[str, Any] | None = None
    is_error: bool | None = None
    thinking: str = ""
    signature: str | None = ""
    tool_name: str = ""


class InputMessage(msgspec.Struct, frozen=True):
    """A message of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[MessageBlock]


class _Placed(NamedTuple):
    """A block and its place in the request."""

    block: MessageBlock
    where: str


def conversation_of(
    system: str | list[MessageBlock] | None, messages: Sequence[InputMessage], *, fetches: bool = False
) -> Conversation:
    """Check and split a conversation. Raises ParameterError that names the block at fault.

    Consecutive messages of one role are one, as in Anthropic's API. ``fetches``: images may have addresses on other
    servers.
    """
    collector = Collector(fetches=fetches)
    if instructions := _text(_placed(system or "", "system")):
        collector.system(instructions, "system")
    for role, blocks in _merged(messages):
        if role == "system":
            collector.system(_text(blocks), blocks[0].where)
        elif role == "user":
            _user(blocks, collector)
        else:
            _answer(blocks, collector)
    return collector.conversation(f"messages.{len(messages) - 1}")


def _merged(messages: Sequence[InputMessage]) -> Iterator[tuple[str, list[_Placed]]]:
    """Yield the messages, consecutive ones of one role as one, without those that hold no block."""
    role, blocks = "", list[_Placed]()
    for number, message in enumerate(messages):
        if message.role != role:
            if blocks:
                yield role, blocks
            role, blocks = message.role, []
        blocks += _placed(message.content, f"messages.{number}.content")
    if blocks:
        yield role, blocks


def _placed(content: str | list[MessageBlock], where: str) -> list[_Placed]:
    if isinstance(content, str):
        return [_Placed(MessageBlock("text", content), where)]
    return [_Placed(block, f"{where}.{number}") for number, block in enumerate(content)]


def _text(blocks: Sequence[_Placed]) -> str:
    for block, where in blocks:
        if block.type != "text":
            raise ParameterError(where, f"Instructions can only hold text, not '{block.type[:50]}'.")
    return _BETWEEN.join(block.text for block, _ in blocks if block.text)


def _user(blocks: Sequence[_Placed], collector: Collector) -> None:
    """Take a user's message: first the results of tools, then what the user says."""
    for block, where in blocks:
        if block.type == "tool_result":
            text, parts = _result(block, where, collector)
            collector.result(block.tool_use_id, text, parts, f"{where}.tool_use_id")
    said = [placed for placed in blocks if placed.block.type != "tool_result"]
    if said:
        text, parts = in_order(_parts(said, collector), _BETWEEN)
        collector.user(text, parts, said[0].where)


def _result(block: MessageBlock, where: str, collector: Collector) -> tuple[str, tuple[Part, ...]]:
    if isinstance(block.content, dict):
        raise ParameterError(f"{where}.content", "The result of a tool must be text or blocks.")
    text, parts = in_order(_parts(_placed(block.content or "", f"{where}.content"), collector), _BETWEEN)
    if not block.is_error:
        return text, parts
    return _FAILED + text, (Text(_FAILED), *parts) if parts else ()


def _answer(blocks: Sequence[_Placed], collector: Collector) -> None:
    """Take an answer: its thoughts, its text and its calls."""
    texts, calls, thoughts = [], [], []
    for block, where in blocks:
        if block.type == "text":
            texts.append(block.text)
        elif block.type == "tool_use":
            calls.append(ToolCall(block.id, block.name, msgspec.json.encode(block.input).decode()))
        elif block.type == "thinking":
            thoughts.append(Thought(block.thinking, block.signature or ""))
        elif block.type == "compaction" and isinstance(block.content, str):
            texts.append(block.content)
        elif not _SKIPPED.fullmatch(block.type):
            raise _unknown(block, where, "an answer: text, tool_use and thinking")
    signed = tuple([thought for thought in thoughts if thought.signature])
    collector.answer("".join(texts), tuple(calls), blocks[0].where, thoughts=signed)


def _parts(blocks: Iterable[_Placed], collector: Collector) -> Iterator[Part]:
    for block, where in blocks:
        yield from _part(block, where, collector)


def _part(block: MessageBlock, where: str, collector: Collector) -> Iterator[Part]:
    if block.type == "text":
        if block.text:
            yield Text(block.text)
        return
    if block.type == "tool_reference":
        yield Text(block.tool_name)
        return
    source = block.source
    if block.type == "search_result" and isinstance(source, str) and isinstance(block.content, list):
        heading = "\n".join(filter(None, (block.title, source)))
        yield Text(_BETWEEN.join([heading, *(part.text for part in block.content)]))
        return
    if block.type not in ("image", "document") or not isinstance(source, BlockSource):
        raise _unknown(block, where, "a user's message: text, image, document, search_result and tool_result")
    try:
        yield from (_image if block.type == "image" else _document)(block, source, f"{where}.source", collector)
    except BadAttachment as error:
        raise ParameterError(f"{where}.source", f"The {block.type} cannot be used: {error}") from error


def _image(block: MessageBlock, source: BlockSource, where: str, collector: Collector) -> Iterator[Part]:
    del block
    if source.type == "base64":
        yield collector.encoded_image(source.data)
    elif source.type == "url":
        yield collector.image(source.url, where)
    else:
        raise BadAttachment("this server keeps no files. Send its data in base64.")


def _document(block: MessageBlock, source: BlockSource, where: str, collector: Collector) -> Iterator[Part]:
    heading = "\n".join(filter(None, (block.title, block.context)))
    if source.type == "base64":
        yield collector.file(source.data, block.title or "")
    elif source.type == "text":
        yield Text(_BETWEEN.join(filter(None, (heading, source.data))))
    elif source.type == "content":
        if heading:
            yield Text(heading)
        yield from _parts(_placed(source.content, f"{where}.content"), collector)
    else:
        raise BadAttachment("this server fetches and keeps no documents. Send its data in base64.")


def _unknown(block: MessageBlock, where: str, those: str) -> ParameterError:
    kind = block.type[:50]
    return ParameterError(where, f"A block of the type '{kind}' is not supported, or lacks a field. Use in {those}.")
