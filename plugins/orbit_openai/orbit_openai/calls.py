"""Assembles the tool calls of an answer from their fragments, also from servers that do not follow OpenAI exactly."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from orbit import ProviderError, ToolCall
from orbit.upstreams import is_json, new_call_id


class _Call:
    """One call as far as it has arrived."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = ""


class Calls:
    """The calls of one answer.

    Fragments belong together by their ``index``. Some servers leave it out, or give all calls the same one: then a new
    id begins a new call, and so does a name after complete arguments.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._places: dict[int, _Call] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, fragments: Any, *, whole: bool) -> None:
        """Take the ``tool_calls`` of a delta, or of a ``whole`` message, whose items are separate calls."""
        for item in fragments if isinstance(fragments, list) else [fragments]:
            if not isinstance(item, dict):
                continue
            function = item.get("function") or item
            if isinstance(function, dict):
                call_id, name = _text(item.get("id")), _text(function.get("name"))
                call = self._begin(None) if whole else self._place(item.get("index"), call_id, name)
                call.id = call.id or call_id
                call.name += "" if name == call.name else name
                call.arguments += _arguments(function.get("arguments"))

    def whole(self, *, cut: bool) -> tuple[ToolCall, ...]:
        """Return the calls, each with an id of its own. Leave out what is incomplete if the answer was ``cut``.

        Raises ProviderError for a call without a name.
        """
        return tuple(self._whole(cut=cut))

    def _whole(self, *, cut: bool) -> Iterator[ToolCall]:
        used: set[str] = set()
        for call in self._calls:
            arguments = _object(call.arguments)
            if not call.name and not call.arguments:
                continue
            if cut and (not call.name or not is_json(arguments)):
                continue
            if not call.name:
                raise ProviderError("the model called a tool without naming it.", retryable=True)
            call_id = call.id if call.id and call.id not in used else new_call_id()
            used.add(call_id)
            yield ToolCall(call_id, call.name, arguments)

    def _place(self, index: Any, call_id: str, name: str) -> _Call:
        """Return the call that a fragment belongs to."""
        number = index if isinstance(index, int) else None
        if isinstance(index, str) and index.isdecimal():
            number = int(index)
        known = self._places.get(number) if number is not None else (self._calls[-1] if self._calls else None)
        if known is None or (call_id and known.id and call_id != known.id and (name or number is None)):
            return self._begin(number)
        if number is None and name and not call_id and known.name and is_json(known.arguments):
            return self._begin(None)
        return known

    def _begin(self, number: int | None) -> _Call:
        call = _Call()
        self._calls.append(call)
        if number is not None:
            self._places[number] = call
        return call


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _arguments(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _object(arguments: str) -> str:
    """Return the arguments as a JSON object if they mean one: nothing at all does, and one within a string."""
    arguments = arguments.strip()
    if not arguments or arguments == "null":
        return "{}"
    if arguments.startswith('"') and is_json(arguments):
        inner = msgspec.json.decode(arguments)
        return inner.strip() if isinstance(inner, str) and is_json(inner) else arguments
    return arguments
