"""Probes what a chat template does with conversations, and adapts conversations to the form that it needs.

Templates reject or silently drop what their model was not trained for: a system message, two consecutive messages of
one role, a conversation that begins with the assistant, content as plain text. All of this can be adapted, except lost
user or assistant messages.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from orbit import Message, Role

_OPENING: Final = "(The assistant begins.)"
"""The user message inserted before a leading assistant message, for templates that need one there."""

_SYSTEM: Final = "You are a helpful assistant."
"""The system message for templates that require one."""


class TemplateError(Exception):
    """A conversation does not fit the chat template. The message completes the sentence "The template: ..."."""


class Rendered(msgspec.Struct, frozen=True):
    """A conversation as one text, and the texts that end an answer in its format."""

    text: str
    stops: tuple[str, ...] = ()


Render: TypeAlias = Callable[[Sequence[dict[str, Any]], Mapping[str, Any]], Rendered]
"""Takes messages as in OpenAI's API, and variables for the template."""


class Form(msgspec.Struct, frozen=True):
    """The form of conversations that a template accepts.

    ``parts``: content is a list of parts. ``system``: it accepts a system message at the beginning; ``late_system``:
    also in the middle; ``needs_system``: it requires one. ``repeats``: consecutive messages may have the same role.
    ``any_first``: the assistant may begin.
    """

    parts: bool = False
    system: bool = True
    late_system: bool = True
    needs_system: bool = False
    repeats: bool = True
    any_first: bool = True

    def write(self, messages: Iterable[Message]) -> list[dict[str, Any]]:
        """Return the conversation in this form."""
        turns = list(_joined(_without_system(messages, first=self.system, later=self.late_system), all_roles=False))
        if self.needs_system and (not turns or turns[0].role != "system"):
            turns.insert(0, Message("system", _SYSTEM))
        if not self.any_first:
            turns = list(_opened(turns))
        if not self.repeats:
            turns = list(_joined(turns, all_roles=True))
        names = {call.id: call.name for turn in turns for call in turn.tool_calls}
        return [self._turn(turn, names) for turn in turns]

    def _turn(self, turn: Message, names: Mapping[str, str]) -> dict[str, Any]:
        written: dict[str, Any] = {"role": turn.role, "content": self._content(turn.content)}
        if turn.tool_calls:
            written["tool_calls"] = [
                {
                    "id": _short_id(call.id),
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.loads(call.arguments)},
                }
                for call in turn.tool_calls
            ]
        if turn.role == "tool":
            written |= {"tool_call_id": _short_id(turn.tool_call_id), "name": names.get(turn.tool_call_id, "")}
        return written

    def _content(self, text: str) -> str | list[dict[str, str]]:
        return [{"type": "text", "text": text}] if self.parts else text


def find_form(render: Render, variables: Mapping[str, Any]) -> Form:
    """Try a template with conversations of marked messages. Raises TemplateError if a loss cannot be prevented."""

    def lost(form: Form, *roles: Role) -> str:
        return _lost(render, variables, form, roles)

    reasons: list[str] = []
    forms = [Form(parts=parts, system=system) for system in (True, False) for parts in (False, True)]
    for form in (*forms, *(Form(parts=parts, needs_system=True) for parts in (False, True))):
        reason = lost(form, "user") or lost(form, "user", "assistant", "user", "assistant", "user")
        reason = reason or lost(form, "system", "user") or lost(form, "system", "user", "assistant", "user")
        if not reason:
            break
        reasons.append(reason)
    else:
        raise TemplateError(reasons[2])  # the reason for plain text, without a system message
    start: tuple[Role, ...] = ("system",) if form.system else ()
    any_first = not lost(form, *start, "assistant", "user")
    repeats = not (lost(form, *start, "user", "user") or lost(form, *start, "user", "assistant", "assistant", "user"))
    late = form.system and not lost(form, *start, "user", "assistant", "system", "user")
    return msgspec.structs.replace(form, late_system=late, repeats=repeats, any_first=any_first)


def _lost(render: Render, variables: Mapping[str, Any], form: Form, roles: Sequence[Role]) -> str:
    """Return why the model would not receive a conversation of these roles completely; empty if it would."""
    messages = [Message(role, f"orbit{number}{role}mark") for number, role in enumerate(roles)]
    try:
        text = render(form.write(messages), variables).text
    except TemplateError as error:
        return f"it rejects a conversation: {error}"
    for message in messages:
        if message.content not in text:
            whose = {"system": "system messages", "user": "messages of the user", "assistant": "earlier answers"}
            return f"it loses {whose[message.role]}"
        if f"'{message.content}'" in text:
            return "it prints a list of parts in Python syntax"
    return ""


def _without_system(messages: Iterable[Message], *, first: bool, later: bool) -> Iterator[Message]:
    """Move unsupported system messages to the start of the user's next message."""
    held: list[str] = []
    begun = False
    for message in messages:
        if message.role == "system" and not (later if begun else first):
            held.append(message.content)
            continue
        begun = begun or message.role != "system"
        if message.role == "user" and held:
            yield Message("user", _join(*held, message.content))
            held = []
        else:
            yield message
    if held:
        yield Message("user", _join(*held))


def _joined(messages: Iterable[Message], *, all_roles: bool) -> Iterator[Message]:
    """Merge consecutive messages of the same role; only system messages unless ``all_roles``."""
    last: Message | None = None
    for message in messages:
        whole = last is None or bool(last.tool_calls or message.tool_calls or message.role == "tool")
        if last is not None and not whole and last.role == message.role and (all_roles or message.role == "system"):
            last = Message(last.role, _join(last.content, message.content))
            continue
        if last is not None:
            yield last
        last = message
    if last is not None:
        yield last


def _opened(messages: Iterable[Message]) -> Iterator[Message]:
    """Begin with a user message."""
    begun = False
    for message in messages:
        if message.role == "assistant" and not begun:
            yield Message("user", _OPENING)
        begun = begun or message.role != "system"
        yield message


def _short_id(call_id: str) -> str:
    """Return an id of nine letters and digits for a call: Mistral's templates accept no other."""
    return hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:9]


def _join(*texts: str) -> str:
    return "\n\n".join(filter(None, texts))
