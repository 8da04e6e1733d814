"""Conversations that a model's chat template rejects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from orbit.types import Message

_NO_SYSTEM: Final = re.compile(
    r"system (role|message|prompt|instruction)s?( is| are)? not (supported|allowed|enabled)"
    r"|(does not|doesn't|cannot|not) support .{0,20}\bsystem\b|system messages? (must|should) (be|come)"
    r"|developer instruction is not enabled|roles must alternate|only .{0,40}\broles? (are|is) (supported|allowed)",
    re.IGNORECASE | re.DOTALL,
)
_ROLES: Final = re.compile(
    r"roles must alternate|(last|first|final) message (must|should|cannot|has to)"
    r"|must (start|begin|end) with .{0,20}(user|assistant)|only .{0,40}\broles? (are|is) (supported|allowed)",
    re.IGNORECASE | re.DOTALL,
)


def refuses_system(said: str) -> bool:
    """Return whether a server's error may mean that the model's chat template accepts no system message."""
    return _NO_SYSTEM.search(said) is not None


def refuses_roles(said: str) -> bool:
    """Return whether a server's error means that the roles of a conversation are in the wrong order."""
    return _ROLES.search(said) is not None


def without_system(messages: Sequence[Message]) -> Sequence[Message]:
    """Return a conversation with its system messages moved to the start of the first user message."""
    system = [message.content for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    if not system:
        return messages
    for place, message in enumerate(rest):
        if message.role == "user":
            text = "\n\n".join([*system, message.content])
            return [*rest[:place], msgspec.structs.replace(message, content=text), *rest[place + 1 :]]
    return [Message("user", "\n\n".join(system)), *rest]
