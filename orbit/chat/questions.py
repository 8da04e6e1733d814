"""The search texts of a question: alone, and with the questions before it."""

from __future__ import annotations

import unicodedata

from orbit.chat.turn import Turn

_MAX_QUESTIONS = 3
_CONTEXT_CHARS = 24
"""Stop adding earlier questions once they reach this many characters."""


def questions_of(turn: Turn) -> list[str]:
    """Return the texts to search for: the question, and in a conversation also the question after earlier ones.

    "And on Sunday?" finds nothing by itself, but does after the question before it, or after two if that one was as
    short. Fusing the results of both texts serves a change of subject as well as a follow-up, in any language and
    without a model.
    """
    context: list[str] = []
    for message in reversed(turn.history):
        if message.role == "user":
            context.insert(0, message.content)
            if len(context) == _MAX_QUESTIONS or sum(map(len, context)) >= _CONTEXT_CHARS:
                break
    texts = [turn.question, "\n".join([*context, turn.question])] if context else [turn.question]
    return [unicodedata.normalize("NFC", text) for text in texts]  # as passages are
