"""Conversations that a model's chat template rejects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from orbit.types import GenerateOptions, Message, Text

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


_TOKENS_ATTACHED: Final = 800
"""Tokens of an image, a usual figure; services count between 85 and 1,600."""
_BYTES_A_TOKEN: Final = 3
"""UTF-8 bytes, a low estimate: English prose has four and more, code, numbers and most other scripts three."""
_TOKENS_A_MESSAGE: Final = 8
"""The most that a chat template adds to a message."""


def estimated_tokens(messages: Sequence[Message], options: GenerateOptions) -> int:
    """Estimate the tokens of a prompt, rather too high, for servers that cannot count them."""
    size = sum(len(message.content.encode()) // _BYTES_A_TOKEN + _TOKENS_A_MESSAGE for message in messages)
    text, attached = beside_text(messages, options)
    return size + len(text.encode()) // _BYTES_A_TOKEN + attached


def beside_text(messages: Sequence[Message], options: GenerateOptions) -> tuple[str, int]:
    """Return what a prompt holds beside the texts of its messages, to estimate its size.

    Returns the text of tools and their calls, and an estimate of the tokens of images and files.
    """
    calls = [f"{call.id}{call.name}{call.arguments}" for message in messages for call in message.tool_calls]
    tools = msgspec.json.encode(options.tools).decode() if options.tools else ""
    attached = sum(not isinstance(part, Text) for message in messages for part in message.parts)
    return "\n".join([tools, *calls]) if tools or calls else "", attached * _TOKENS_ATTACHED


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
            parts = (Text("\n\n".join([*system, ""])), *message.parts) if message.parts else ()
            return [*rest[:place], msgspec.structs.replace(message, content=text, parts=parts), *rest[place + 1 :]]
    return [Message("user", "\n\n".join(system)), *rest]
