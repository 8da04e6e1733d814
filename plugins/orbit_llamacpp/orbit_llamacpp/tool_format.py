"""How a chat template writes tool calls: found by letting it write some, and read back from a model's answer.

Templates without tools, and those that write calls in other forms than JSON, get tools as a text in the system message.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from orbit import Message, ToolCall
from orbit_llamacpp.conversation import Form, Render, TemplateError

_NAMES: Final = ("orbitfirsttool", "orbitsecondtool")
_TOWNS: Final = ("orbitfirsttown", "orbitsecondtown")
_ANSWER: Final = "orbitanswermark"
_RESULT: Final = "orbitresultmark"
_MARKER: Final = re.compile(r"\s*(<[^>\s]+>|\[[A-Z_]+\]|[^\s{\[]+|.+)", re.DOTALL)
"""The text that begins a call: a tag, or what precedes the JSON, or else the JSON's own beginning."""
_ARGUMENTS: Final = [re.compile(rf'\{{\s*"place"\s*:\s*"{town}"\s*\}}') for town in _TOWNS]
_IDS: Final = re.compile(r'\s*"id"\s*:\s*"[A-Za-z0-9]{9}"\s*,|,\s*"id"\s*:\s*"[A-Za-z0-9]{9}"')
_RULES: Final = """\
You can call functions. To call one, answer only with a JSON object between tags, and nothing after it:
<tool_call>
{"name": "the function", "arguments": {...}}
</tool_call>
Its result follows. Answer without a call if you need none. The functions, with JSON schemas of their arguments:"""


class ToolFormat(msgspec.Struct, frozen=True):
    """The texts around the names and arguments of calls.

    ``native`` says whether the template itself writes tools and calls. ``marker`` is the text that begins calls in an
    answer; ``opening`` runs from there to the first name. ``between`` stands between a name and its arguments,
    ``joint`` between a call and the next name (empty if a template writes only one), ``closing`` after the last call.
    """

    native: bool = False
    marker: str = "<tool_call>"
    opening: str = '<tool_call>\n{"name": "'
    between: str = '", "arguments": '
    joint: str = ""
    closing: str = "}\n</tool_call>"

    @property
    def only_first(self) -> bool:
        """Whether a call begins an answer: its marker is an ordinary text."""
        return self.marker.startswith(("{", "[{"))

    def calls(self, text: str, names: Sequence[str]) -> Iterator[ToolCall]:
        """Yield the complete calls in the part of an answer that begins with ``marker``."""
        decoder, place, heads = json.JSONDecoder(), 0, [(f"{name}{self.between}", name) for name in names]
        while found := min(((at, head) for head in heads if (at := text.find(head[0], place)) >= 0), default=None):
            start = found[0] + len(found[1][0])
            try:
                _, place = decoder.raw_decode(text, start)
            except (ValueError, RecursionError):
                return
            digest = hashlib.sha256(f"{place} {text}".encode("utf-8", "replace")).hexdigest()
            yield ToolCall(f"call_{digest[:24]}", found[1][1], text[start:place])


PLAIN: Final = ToolFormat()
"""The form of calls that ``_RULES`` asks for."""


def find_tool_format(render: Render, form: Form, variables: Mapping[str, Any]) -> ToolFormat:
    """Return how a template writes calls; ``PLAIN`` if it does not write tools, calls and results as expected."""
    calls = [
        ToolCall(f"orbitid{number:02}", name, json.dumps({"place": town}))
        for number, (name, town) in enumerate(zip(_NAMES, _TOWNS, strict=True))
    ]
    tools = [
        {"type": "function", "function": {"name": name, "description": f"{name}help", "parameters": {"type": "object"}}}
        for name in _NAMES
    ]

    def rendered(*turns: Message) -> str:
        conversation = form.write([Message("user", "orbitquestion"), *turns])
        return render(conversation, {**variables, "tools": tools}).text

    call = Message("assistant", "", tool_calls=(calls[0],))
    try:
        plain, one = rendered(Message("assistant", _ANSWER)), rendered(call)
        told = rendered(call, Message("tool", _RESULT, tool_call_id=calls[0].id))
    except TemplateError:
        return PLAIN
    if _RESULT not in told or not all(f"{name}help" in plain for name in _NAMES):
        return PLAIN
    try:
        two = rendered(Message("assistant", "", tool_calls=tuple(calls)))
    except TemplateError:  # some templates write only one call
        two = ""
    return _format(plain, one, two) or PLAIN


def _format(plain: str, one: str, two: str) -> ToolFormat | None:
    """Compare an answer in words with one call and with two. Return None if the calls are not in JSON."""
    start = min(_common(plain, one), plain.find(_ANSWER))
    name = one.find(_NAMES[0], start)
    arguments = _ARGUMENTS[0].search(one, max(name, 0))
    if start < 0 or name < 0 or arguments is None:
        return None
    opening, between = _without_id(one[start:name]), _without_id(one[name + len(_NAMES[0]) : arguments.start()])
    tail, end = one[arguments.end() :], plain[plain.find(_ANSWER) + len(_ANSWER) :]
    closing = _without_id(tail[: len(tail) - _common(tail[::-1], end[::-1])].partition("<|")[0].rstrip())
    marker = _MARKER.match(opening)
    if marker is None:
        return None
    opening = opening[marker.start(1) :]
    return ToolFormat(True, marker[1], opening, between, _joint(two, start, between), closing)  # noqa: FBT003  # native


def _joint(two: str, start: int, between: str) -> str:
    """Return the text between the arguments of a call and the name of the next one; empty if there is none."""
    first = _ARGUMENTS[0].search(two, start)
    name = two.find(_NAMES[1], first.end()) if first else -1
    if first is None or name < 0 or not two[name + len(_NAMES[1]) :].startswith(between):
        return ""
    return _without_id(two[first.end() : name])


def _common(text: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    shorter = min(len(text), len(other))
    return next((at for at in range(shorter) if text[at] != other[at]), shorter)


def _without_id(text: str) -> str:
    return _IDS.sub("", text)


def as_text(messages: Iterable[Message], tools: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Return a conversation with its tools, calls and results as texts, for a template that has no place for them."""
    turns: list[Message] = []
    for message in messages:
        if message.role == "tool":
            turns.append(Message("user", f"<tool_response>\n{message.content}\n</tool_response>"))
        elif message.tool_calls:
            calls = [
                f"{PLAIN.opening}{call.name}{PLAIN.between}{call.arguments}{PLAIN.closing}"
                for call in message.tool_calls
            ]
            turns.append(Message(message.role, "\n".join(filter(None, [message.content, *calls]))))
        else:
            turns.append(message)
    if tools:
        told = "\n".join([_RULES, *(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)])
        if turns and turns[0].role == "system":
            turns[0] = Message("system", f"{turns[0].content}\n\n{told}")
        else:
            turns.insert(0, Message("system", told))
    return turns
