"""Requests that a client makes for its own page: titles, tags, follow-up questions. They search no documents."""

from __future__ import annotations

import re
from typing import Final

from litestar.types import Scope

from orbit.web.http.request import header

TASK_MODEL: Final = "orbit-task"
"""A name of the key's default model, for clients that can only choose a model for these requests."""
_HEADER: Final = b"x-openwebui-task"
_NAME: Final = re.compile(r"[\w.-]{1,64}")
_NO_TASK: Final = frozenset({"none", "null", "false"})
"""What Open WebUI may put in for a request that is no task."""


def task_of(scope: Scope, model: str) -> str | None:
    """Return the name of a request's task; empty if Open WebUI sends a person's question, None if others do."""
    sent = header(scope, _HEADER)
    if sent is not None:
        name = sent.strip().lower()
        if _NAME.fullmatch(name) and name not in _NO_TASK:
            return name
    if model == TASK_MODEL:
        return "task"
    return None if sent is None else ""
