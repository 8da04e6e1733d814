"""The input of a stored response as items, page by page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from orbit.chat.history.responses import PREFIX
from orbit.types import File, Image, Message, Part, Text
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.openai_responses.items import Item

_DONE: Final = {"status": "completed"}


class InputItems(msgspec.Struct, frozen=True):
    """A page of items. ``first_id`` and ``last_id`` are null if it has none."""

    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: str = "list"


def page_of(response_id: str, messages: Sequence[Message], limit: int, after: str, *, newest: bool) -> InputItems:
    """Return up to ``limit`` items that come ``after`` the one with this id. Raises ParameterError if there is none."""
    name = response_id.removeprefix(PREFIX)
    items = [
        {"id": f"{kind}_{name}_in_{number}", **item}
        for number, (kind, item) in enumerate(item for message in messages for item in _items(message))
    ]
    if newest:
        items.reverse()
    if after:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise ParameterError("after", f"The input of the response has no item '{after[:100]}'.")
        items = items[ids.index(after) + 1 :]
    page = items[:limit]
    return InputItems(
        page, page[0]["id"] if page else None, page[-1]["id"] if page else None, has_more=len(items) > limit
    )


def _items(message: Message) -> Iterator[tuple[str, Item]]:
    """Yield the items of a message, each with the beginning of its id."""
    kind = "output_text" if message.role == "assistant" else "input_text"
    parts = message.parts or ((Text(message.content),) if message.content else ())
    content = [_part(part, kind) for part in parts]
    if message.role == "tool":
        output = content if message.parts else message.content
        yield "fco", {"type": "function_call_output", "call_id": message.tool_call_id, "output": output, **_DONE}
        return
    if content:
        yield "msg", {"type": "message", "role": message.role, "content": content, **_DONE}
    for call in message.tool_calls:
        called = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
        yield "fc", {"type": "function_call", **called, **_DONE}


def _part(part: Part, kind: str) -> dict[str, Any]:
    if isinstance(part, Image):
        return {"type": "input_image", "image_url": _data_url(part), "detail": part.detail or "auto"}
    if isinstance(part, File):
        return {"type": "input_file", "file_data": _data_url(part), "filename": part.name}
    return {"type": kind, "text": part.text, **({"annotations": []} if kind == "output_text" else {})}


def _data_url(part: Image | File) -> str:
    return f"data:{part.media_type};base64,{base64.b64encode(part.data).decode()}"
