"""Reads a judge's answer as a verdict. Pure functions.

A judge should write ``SAFE: true`` or ``SAFE: false``. Anything that is not clearly the first counts as the second.
"""

import re
import unicodedata
from typing import Final

from orbit_safety.settings import Mode

_EXACT: Final = frozenset({"SAFE: true", '"SAFE: true"', "'SAFE: true'"})

_INVISIBLE: Final = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_THOUGHT: Final = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_DECORATION: Final = re.compile(r"[\"'`*_“”‘’«»]")  # noqa: RUF001  # curly quotes are meant

_VERDICT: Final = re.compile(
    r"""
    \A\s*
    (?:(?:final\s+)?(?:verdict|answer|output|response|result|classification|assessment)\s*[:=-]\s*)?
    (?:
        (?:is_?)?safe \s*(?:[:=]|-{1,2}>?|=>)?\s* (?:true|yes)\b
      | safe (?=\s*(?:[.!\n]|\Z))
      | (?:the|this)\s+(?:message|text|question|query|request|input|prompt|answer|content)
        \s+is\s+(?:completely\s+)?safe\b
    )
    """,
    re.VERBOSE,
)
"""The beginning of an answer that says safe: the requested wording, or an equivalent one."""

_END: Final = re.compile(r"\s*(?:[.!]+(?=\s|\Z)|\n|\Z)")
"""The end of the verdict's line or sentence: a continuation might retract it."""

_BAD: Final = (
    r"(?:harm(?:ful)?|offensive|danger(?:ous)?|illegal|inappropriate|toxic|hateful|violent|unsafe|explicit|risky?)"
)
_HARMLESS: Final = re.compile(
    rf"""
    \b(?:
        (?:do|does|did)(?:\ not|n't)\ (?:contain|include|involve|mention|promote|request|ask|violate|pose|appear|seem)
      | (?:is|are|has|have)(?:\ not|n't)
      | no|not|nothing|without|free\ of
    )
    (?:\ any(?:thing)?)?(?:(?:,|\ or|\ and)*\ {_BAD}\b)+
  | \b(?:do|does|did)(?:\ not|n't)\ (?:violate|pose)\b
    """,
    re.VERBOSE,
)
"""Negations with a harmless meaning."""

_DOUBT: Final = re.compile(
    r"""
    \?
  | \b(?: no(?:t|ne|pe|where|body)? | \w+n't | never | neither | nor | cannot | cant | false | falsch | falso | faux
    | unsafe | un-safe | insecure | but | however | although | though | yet | except | unless | only | if | until
    | almost | nearly
    | actually | wait | correction | sorry | unable | refuse | decline | apologi[sz]e | instead | rather | wrong
    | incorrect | mistake | maybe | perhaps | possibly | probably | likely | unsure | uncertain | depends
    | would | could | might | may | should | harmful | dangerous | illegal | hateful | violent | violates?
    | as\ an\ ai | nein | nicht | kein | aber | non | pas | mais | pero | ma | nao | nunca )\b
    """,
    re.VERBOSE,
)
"""Words that may retract a verdict. An explanation with one of them makes the answer unclear, hence unsafe."""

_UNSAFE: Final = re.compile(r"\bunsafe\b|\bsafe\b\W{0,6}(?:false|no)\b|\bnot\s+safe\b")


def is_safe(answer: str, mode: Mode) -> bool:
    """Return whether a judge's answer means that the text may pass."""
    if mode == "strict":
        return answer.strip() in _EXACT
    text = _normalized(answer)
    if text.startswith("{"):
        return re.fullmatch(r"\{\s*(?:is_?)?safe\s*:\s*(?:true|yes)\s*,?\s*\}", text) is not None
    verdict = _VERDICT.match(text)
    if verdict is None:
        return False
    end = _END.match(text, verdict.end())
    if end is None:
        return False
    explanation = text[end.end() :]
    # Retracting words are known only for the languages in the list above.
    return explanation.isascii() and _DOUBT.search(_HARMLESS.sub(" ", explanation)) is None


def is_clear(answer: str, mode: Mode) -> bool:
    """Return whether an answer is a verdict, either way. If not, asking again makes sense."""
    return is_safe(answer, mode) or _UNSAFE.search(_normalized(answer)) is not None


def _normalized(answer: str) -> str:
    """Return the answer in lower case, without quotes, emphasis, invisible characters and leading thoughts."""
    text = _THOUGHT.sub("", answer)
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold().replace("\u2019", "'")
    text = re.sub(r"\A\s*```\w*\s*(.*?)\s*```\s*\Z", r"\1", text, flags=re.DOTALL)
    apostrophes = re.sub(r"(?<=n)'(?=t\b)", "\0", text)  # don't, isn't: an apostrophe, not a quote
    return _DECORATION.sub("", apostrophes).replace("\0", "'").strip()
