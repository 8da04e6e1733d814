"""The search texts of a question: alone, and with the questions before it."""

from __future__ import annotations

import re

from orbit.chat.turn import Turn
from orbit.system.unicode import nfc

_MAX_QUESTIONS = 3
_CONTEXT_CHARS = 24
"""Stop adding earlier questions once they reach this many characters."""

_ELLIPTICAL_WORDS = 4
_ELLIPTICAL_CHARS = 8
"""A question with no more words, or no more characters without spaces, leaves something unsaid."""

_POINTING = (
    "it its that this these those there they them he she him her one ones then also "
    "das dies diese dieser dort dazu davon daran dafür damit er sie ihn ihm ihr denen auch "
    "ça cela celui celle ceux y il elle ils elles lui leur aussi eso esto ese esa allí él ella ellos también "
    "это этот эта там он она они его ее её их тоже ذلك هذا هذه هناك هو هي أيضا यह वह वहाँ इसका उसका उसे भी"  # noqa: RUF001  # Russian letters
)
_BACKWARDS = frozenset(_POINTING.split())
"""Words that point to something said before."""


def depends(question: str) -> bool:
    """Return whether a question may need those before it: it is short, or points back."""
    words = re.findall(r"\w[\w\u0900-\u097f]*", nfc(question.casefold()))
    spaced = len(words) > 1 or len(question) <= _ELLIPTICAL_CHARS
    if not spaced:  # Chinese, Japanese, Thai
        return bool(re.search("[它他她这那其]", question))
    return len(words) <= _ELLIPTICAL_WORDS or not _BACKWARDS.isdisjoint(words)


def is_follow_up(turn: Turn) -> bool:
    """Return whether a question may need those before it."""
    return depends(turn.question) and any(message.role == "user" for message in turn.history)


def questions_of(turn: Turn, rewritten: str = "") -> list[str]:
    """Return the texts to search for: the question, and if it leaves something unsaid, also after earlier ones.

    A ``rewritten`` question takes the place of the earlier ones.

    "And on Sunday?" finds nothing by itself, but does after the question before it, or after two if that one was as
    short. Fusing the results of both texts serves a change of subject as well as a follow-up, in any language and
    without a model.
    """
    if rewritten:
        return [nfc(text) for text in dict.fromkeys((turn.question, rewritten))]
    context: list[str] = []
    for message in reversed(turn.history) if depends(turn.question) else ():
        if message.role == "user":
            context.insert(0, message.content)
            if len(context) == _MAX_QUESTIONS or sum(map(len, context)) >= _CONTEXT_CHARS:
                break
    texts = [turn.question, "\n".join([*context, turn.question])] if context else [turn.question]
    return [nfc(text) for text in texts]  # as passages are
