"""Joins the pieces of a model's thoughts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orbit.types import Thought


def joined(thoughts: Iterable[Thought]) -> Iterator[Thought]:
    """Yield the thoughts without the seams of streaming: a signature ends a block, and so does the last piece."""
    text = ""
    for thought in thoughts:
        text += thought.text
        if thought.signature:
            yield Thought(text, thought.signature)
            text = ""
    if text:
        yield Thought(text)


def signed(thoughts: Iterable[Thought]) -> tuple[Thought, ...]:
    """Return the blocks with a signature, which their provider wants back with the results of tools."""
    return tuple([block for block in joined(thoughts) if block.signature])
