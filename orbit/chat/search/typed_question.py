"""What a person typed, without what Open WebUI puts before it: a list of attached files, and passages of its own."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from orbit.chat.turn import Turn
from orbit.types import Message

_STARTS: Final = ("<attached_files>", "### Task:")
_FILES: Final = re.compile(r"<attached_files>.*?</attached_files>\s*", re.DOTALL)
_PASSAGES: Final = re.compile(r"### Task:.*</context>\s*", re.DOTALL)
"""Its template and the passages in it, which may quote the template's end."""
_SOURCE: Final = re.compile(r'<source id="(\d{1,4})"')


def typed(question: str) -> str:
    """Return the part of a question that a person typed; all of it if nothing is left."""
    if not question.startswith(_STARTS):
        return question
    rest = question
    for before in (_PASSAGES, _FILES, _PASSAGES):
        if found := before.match(rest):
            rest = rest[found.end() :]
    return rest or question


def as_typed(turn: Turn) -> Turn:
    """Return a turn with the questions to search for, which are shorter than those that the model reads."""
    if not any(text.startswith(_STARTS) for text in (turn.question, *[item.content for item in turn.history])):
        return turn
    history = tuple([_typed(message) for message in turn.history])
    return msgspec.structs.replace(turn, question=typed(turn.question), history=history)


def brings_passages(turn: Turn) -> bool:
    """Return whether a question has passages of the client's own, from which the model may answer."""
    return turn.question.startswith(_STARTS) and _PASSAGES.search(turn.question) is not None


def brought_passages(question: str) -> int:
    """Return how many passages of the client's own a question has, numbered from 1."""
    found = _PASSAGES.search(question) if question.startswith(_STARTS) else None
    count = 0
    for source in _SOURCE.finditer(found[0], found[0].find("<context>")) if found else ():
        count += int(source[1]) == count + 1
    return count


def _typed(message: Message) -> Message:
    if message.role != "user" or not message.content.startswith(_STARTS):
        return message
    return msgspec.structs.replace(message, content=typed(message.content))
