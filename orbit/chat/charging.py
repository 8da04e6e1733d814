"""What a turn costs a key with budgets: the tokens that its provider counted, or about as many."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from orbit.auth.budgets import Charge
from orbit.chat.answer.text import AnswerText
from orbit.chat.outcome import Answered, Ending, Event
from orbit.chat.prompt.prompting import Prompt
from orbit.types import GenerateOptions, Usage
from orbit.upstreams import estimated_tokens


def charge(to: Charge, answer: AnswerText, prompt: Prompt, options: GenerateOptions, *, complete: bool) -> None:
    """Charge what one answer of a model has cost. It is ``complete`` if the model ended it.

    Nothing is charged for an answer in which the model has written nothing.
    """
    counted = answer.counted or Usage()
    written = counted.completion_tokens
    if not (complete and written):
        written = max(written, answer.written())
    if written:
        to.add(written + (counted.prompt_tokens or prompt.tokens or estimated_tokens(prompt.messages, options)))


async def settled(events: AsyncGenerator[Event, None], to: Charge) -> AsyncGenerator[Event, None]:
    """Pass on the events of a turn. Its cost is counted before its ending leaves, so that the next turn finds it."""
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Ending):
                    await to.settle(answered=isinstance(event, Answered))
                yield event
    finally:
        await to.settle()
