"""Requests that a client makes for its own page: titles, tags, follow-up questions. They search no documents."""

from __future__ import annotations

import re
from typing import Final

from litestar.types import Scope

from orbit.chat.turn import Turn
from orbit.web.http.request import header

TASK_MODEL: Final = "orbit-task"
"""A name of the key's default model, for clients that can only choose a model for these requests."""
_HEADER: Final = b"x-openwebui-task"
_NAME: Final = re.compile(r"[\w.-]{1,64}")
_NO_TASK: Final = frozenset({"none", "null", "false"})
"""What Open WebUI may put in for a request that is no task."""


_BEGINNING: Final = "### Task:\n"
_OUTPUT: Final = "\n### Output:\n"
_JSON: Final = re.compile(_OUTPUT + r'(?:Strictly return in )?JSON format:\s*\{\s*"(\w+)":')
_CHAT: Final = "\n### Chat History:\n<chat_history>\n"
_ASKED_FOR: Final = {
    "title": "title_generation",
    "tags": "tags_generation",
    "follow_ups": "follow_up_generation",
    "queries": "query_generation",
    "prompt": "image_prompt_generation",
}
"""The key of the JSON that a template of Open WebUI asks for -> its name of the task."""


def task_of(scope: Scope, turn: Turn) -> str | None:
    """Return the name of a request's task; empty if Open WebUI sends a person's question, None if others do."""
    sent = header(scope, _HEADER)
    if sent is not None:
        name = sent.strip().lower()
        if _NAME.fullmatch(name) and name not in _NO_TASK:
            return name
    if turn.model == TASK_MODEL:
        return "task"
    unsaid = sent is None or "{{" in sent  # older versions send the placeholder itself
    found = _by_template(turn.question) if unsaid and not (turn.history or turn.later or turn.parts) else ""
    return found or (None if sent is None else "")


def _by_template(text: str) -> str:
    """Return the task that a text asks for in the words of Open WebUI's templates, 0.5 to 0.12; empty if it is none.

    No person's question has all of their sections in order and ends with the chat's closing tag.
    """
    if not (text.startswith(_BEGINNING) and text.rstrip().endswith("\n</chat_history>")):
        return ""
    start = text.find(_OUTPUT)
    asked = _JSON.match(text, max(start, 0))
    if asked is None or "\n### Guidelines:\n" not in text[:start]:
        return ""
    return _ASKED_FOR.get(asked[1], "") if _CHAT in text[asked.end() :] else ""
