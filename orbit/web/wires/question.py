"""A request for an answer to a conversation, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import msgspec

from orbit.types import Filter, Tool, ToolChoice
from orbit.web.wires.conversation import Conversation

R = TypeVar("R", bound=msgspec.Struct)


class ConversationQuestion(msgspec.Struct, Generic[R], frozen=True):
    """A checked request with its conversation and tools. ``ignored`` are its unknown parameters.

    ``extra`` are the parameters that go to the provider as they are. ``filter`` is a condition on passages.
    """

    request: R
    conversation: Conversation
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice | None
    ignored: tuple[str, ...]
    extra: dict[str, Any]
    filter: Filter | None = None

    others: ClassVar[tuple[str, ...]] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing has to be fetched for it."""
        return not self.conversation.remote

    async def completed(self, hosts: Sequence[str], limit: int, key_id: str) -> Self:
        """Return the question with its images, fetched from ``hosts``. Raises ParameterError."""
        del key_id
        return msgspec.structs.replace(self, conversation=await self.conversation.fetched(hosts, limit))
