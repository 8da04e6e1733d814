"""One chat turn as data: what is asked, what comes back, and the notes taken on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeAlias, TypeVar

import msgspec

from orbit.errors import OrbitError
from orbit.types import (
    CallContext,
    ChatRecord,
    Document,
    FinishReason,
    GenerateOptions,
    Message,
    Source,
    SourceRef,
    Usage,
)

T = TypeVar("T")

_MAX_QUESTIONS = 3
_CONTEXT_CHARS = 24
"""Earlier questions with so many characters are taken to name what the conversation is about."""


class Turn(msgspec.Struct, frozen=True):
    """A question and everything that shapes its answer.

    ``system_prompt`` is the key's own (None: the default applies); ``client_system`` is what the client adds to it.
    """

    question: str
    context: CallContext
    system_prompt: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    client_system: str = ""
    history: tuple[Message, ...] = ()
    options: GenerateOptions = GenerateOptions()


class TurnTimeout(OrbitError):
    """The turn was not finished by its deadline."""

    code = "turn_timeout"

    def __init__(self) -> None:
        self.client = "The answer took longer than the server allows."
        super().__init__(self.client)


async def in_time(context: CallContext, work: Awaitable[T]) -> T:
    """Await a part of a turn until the turn's deadline. Raises TurnTimeout."""
    deadline = asyncio.timeout(context.remaining())
    try:
        async with deadline:
            return await work
    except TimeoutError as error:
        if deadline.expired():
            raise TurnTimeout from error
        raise


def questions_of(turn: Turn) -> list[str]:
    """The texts to look for: the question, and in a conversation also the question after those before it.

    "And on Sunday?" finds nothing by itself; with the question before it, it does, or with the one before that, if it
    was as short. What both texts find is fused, so a change of subject is served as well as a follow-up, in any
    language and without a model's help.
    """
    context: list[str] = []
    for message in reversed(turn.history):
        if message.role == "user":
            context.insert(0, message.content)
            if len(context) == _MAX_QUESTIONS or sum(map(len, context)) >= _CONTEXT_CHARS:
                break
    return [turn.question, "\n".join([*context, turn.question])] if context else [turn.question]


class Answer(msgspec.Struct, frozen=True):
    """The end of a turn: what there is to say besides the text.

    ``dropped_documents`` and ``dropped_turns`` did not fit the model's context; ``without_documents`` is true if
    retrieval failed and the operator chose to answer all the same; ``remembered`` if a session keeps the turn.
    """

    finish_reason: FinishReason = "stop"
    sources: tuple[Source, ...] = ()
    usage: Usage = Usage()
    provider: str = ""
    model: str = ""
    blocked: bool = False
    dropped_documents: int = 0
    dropped_turns: int = 0
    without_documents: bool = False
    remembered: bool = False


Event: TypeAlias = str | Answer
"""New text of the answer, or (last, once) its end."""


def sources_of(documents: tuple[Document, ...]) -> tuple[Source, ...]:
    """Number the documents of a prompt in the order in which the prompt numbers them."""
    return tuple(
        Source(
            number,
            document.id,
            document.title,
            document.source,
            document.link,
            None if document.score is None else round(document.score, 4),
            document.text,
        )
        for number, document in enumerate(documents, start=1)
    )


_NOTHING_USED = Usage()


class Journal:
    """Notes of one turn, for its record in the chat log."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._timestamp = time.time()
        self._started = time.perf_counter()
        self.text: list[str] = []
        self.fixed = False  # whether the text is one of the operator's own
        self.durations: dict[str, float] = {}
        self.documents: tuple[Document, ...] = ()
        self.status = "cancelled"  # until something else is known: a client that leaves says nothing
        self.reason = ""
        self.usage = _NOTHING_USED
        self.provider = ""
        self.model = ""

    def took(self, stage: str, started: float) -> None:
        """Note the seconds since ``started`` (of ``time.perf_counter``) for a stage, in whole microseconds."""
        self.durations[stage] = int((time.perf_counter() - started) * 1e6) / 1e6

    def record(self) -> ChatRecord:
        """Return the record of the turn as it stands."""
        turn, context = self._turn, self._turn.context
        self.took("total", self._started)
        return ChatRecord(
            timestamp=self._timestamp,
            request_id=context.request_id,
            query=turn.question,
            response="".join(self.text),
            status=self.status,
            blocked=self.status == "blocked",
            reason=self.reason,
            backend=self.provider,
            model=self.model,
            session_id=context.session_id,
            client_ip=context.client_ip,
            key_id=context.key_id,
            key_hint=context.key_hint,
            client_name=context.client_name,
            collection=context.collection,
            prompt_id=turn.prompt_id,
            prompt_version=turn.prompt_version,
            sources=tuple(SourceRef(item.id, item.source, item.score) for item in self.documents),
            durations=self.durations,
            prompt_tokens=self.usage.prompt_tokens,
            completion_tokens=self.usage.completion_tokens,
        )
