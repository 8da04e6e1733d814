"""A chat turn as it is asked, and its deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from orbit.auth.budgets import Charge
from orbit.chat.answer.parts import AnswerPart
from orbit.chat.outcome import Ending
from orbit.chat.ticker import Ticker
from orbit.errors import OrbitError
from orbit.host.calls.interrupt import Interrupt
from orbit.types import CallContext, Filter, GenerateOptions, Message, Part

T = TypeVar("T")


class Keeping(msgspec.Struct, frozen=True):
    """How a turn is kept as a response that later requests name by its id.

    ``previous`` is the response before it, and ``first`` the one that began the conversation. ``messages`` are the new
    ones up to the answer. ``body`` makes the response that clients read, of the answer's parts and the turn's ending.
    """

    id: str
    previous: str
    first: str
    messages: tuple[Message, ...]
    body: Callable[[Sequence[AnswerPart], Ending], bytes]


class Turn(msgspec.Struct, frozen=True):
    """A question and everything that shapes its answer.

    ``system_prompt`` is the key's own (None: the default applies); ``client_system`` is what the client adds to it.
    ``parts`` are those of the question if it is not only text. ``later`` are the messages after the question: calls of
    tools and their results, or the beginning of the answer. ``thoughts`` says whether the client reads the model's.
    ``model`` is what the client asked for; empty is the default.
    """

    question: str
    context: CallContext
    system_prompt: str | None = None
    prompt_id: str | None = None
    prompt_version: str | None = None
    client_system: str = ""
    history: tuple[Message, ...] = ()
    options: GenerateOptions = GenerateOptions()
    parts: tuple[Part, ...] = ()
    later: tuple[Message, ...] = ()
    thoughts: bool = False
    address: str = ""
    """The server's address as the client knows it, for links; empty if nobody needs it."""
    model: str = ""
    models: tuple[str, ...] = ()
    """The models of its key; none for all."""
    details: bool = False
    """Whether the client reads the arguments and results of the tools that the server calls."""
    replaces: int = 0
    """How many of the conversation's last turns this one replaces."""
    found: bool = False
    """Whether the client reads the passages before the answer."""
    keeping: Keeping | None = None
    """How to keep the turn beyond its session; None keeps nothing."""
    charge: Charge | None = None
    """What counts the turn's cost; None if its key has no budget."""
    task: str = ""
    """What the client wants for its own page, such as a title; empty for a person's question."""
    filter: Filter | None = None
    """A condition that the passages must meet."""

    @property
    def searches(self) -> bool:
        """Whether to look for passages: a question has words, and is searched once, not again after each tool."""
        return not (self.task or self.has_results) and bool(self.question.strip())

    @property
    def has_results(self) -> bool:
        """Whether the model is to go on after tools that it called."""
        return any(message.role == "tool" for message in self.later)


class TurnTimeout(OrbitError):
    """The turn did not end by its deadline."""

    code = "turn_timeout"

    def __init__(self) -> None:
        self.client = "The answer took longer than the server allows."
        super().__init__(self.client)


async def in_time(context: CallContext, work: Awaitable[T], ticker: Ticker) -> T:
    """Await a part of a turn until the turn's deadline. Raises TurnTimeout."""
    seconds = context.remaining()
    if seconds is None:
        return await work
    deadline = _TurnDeadline(seconds, ticker.current_task())
    ticker.add(deadline)
    try:
        return await work
    except asyncio.CancelledError as error:
        if deadline.take_back():
            raise TurnTimeout from error
        raise
    finally:
        ticker.discard(deadline)
        deadline.take_back()


class _TurnDeadline(Interrupt):
    """Cancels its task once the turn's time is over. A timer of its own would cost every turn more."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float, task: asyncio.Task[Any] | None) -> None:
        super().__init__(task)
        self._end = time.monotonic() + seconds

    def look(self, now: float) -> None:
        """Cancel the task if it is time; called by the ticker."""
        if now >= self._end:
            self.cancel()
