"""The tags around thoughts, and what stands around a tag: whether it closes thoughts, or is only mentioned."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = (
    r"(?:ant|deep|[a-z]{1,12}[:_])?(?:think|thought)[a-z_:]{0,12}|chain_of_thoughts?|cot"
    r"|(?:[a-z]{1,12}_)?(?:reasoning|reflection|scratchpad|monologue)(?:_[a-z]{1,12})?"
)
"""<think>, <thinking>, <thought> (Gemini), <seed:think>, <longcat_think>, <think:opensource> and similar tags."""
_BAR: Final = r"[|\uff5c]"
"""DeepSeek's bars are as wide as Chinese characters."""
_WORD: Final = r"(?:think(?:ing)?|thoughts?|reasoning)"
_OPENING_TOKEN: Final = (
    rf"<{_BAR}(?:[a-z]{{1,12}}:)?(?:(?:begin|start)[_▁](?:of[_▁])?{_WORD}|{_WORD}(?:[_:](?:begin|start))?)"
    rf"(?::[a-z]{{1,12}})?{_BAR}>"
)
"""<|think|>, <|begin_of_thought|>, <|START_THINKING|> (Command A), <|think:start|> (Solar) and similar tokens."""
_CLOSING_TOKEN: Final = (
    rf"<{_BAR}(?:[a-z]{{1,12}}:)?(?:(?:/|end[_▁]?(?:of[_▁])?){_WORD}|{_WORD}[_:]end)(?::[a-z]{{1,12}})?{_BAR}>"
    rf"|</\|{_WORD}\|>"
)
PAIRS: Final = {
    "[think]": "[/think]",  # Magistral, in capitals
    "◁think▷": "◁/think▷",  # Kimi
    "<|inner_prefix|>": "<|inner_suffix|>",  # Apertus
    "<|channel>": "<channel|>",  # Gemma 4
    "<|content_thinking|>": "<|content_text|>",  # Inkling
    "<|im_start|>think": "<|im_start|>answer",  # s1
    "<unused94>": "<unused95>",  # MedGemma
    "[unused16]": "[unused17]",  # Pangu
}
"""Opening tag -> closing tag, in lower case."""
FINAL: Final = "<|channel|>final<|message|>"
"""The mark of harmony that ends all thoughts."""
LONGEST: Final = 40
"""Characters of the longest tag."""
WINDOW: Final = 1024
"""Characters to search at once, or to look at around a tag."""


def _any_of(texts: tuple[str, ...]) -> str:
    return "|".join(map(re.escape, texts))


_ATTRIBUTES: Final = r"(?:\s[^<>\n]{0,100})?"
OPENING: Final = re.compile(
    rf"<(?P<name>{_NAME}){_ATTRIBUTES}(?<!/)>|(?P<token>{_OPENING_TOKEN})|(?P<mark>{_any_of(tuple(PAIRS))})",
    re.IGNORECASE,
)
CLOSING: Final = re.compile(rf"</(?:{_NAME})\s?>|{_CLOSING_TOKEN}|{_any_of((*PAIRS.values(), FINAL))}", re.IGNORECASE)
TAG: Final = re.compile(rf"{OPENING.pattern}|(?P<closing>{CLOSING.pattern})", re.IGNORECASE)
UNFINISHED: Final = re.compile(
    rf"</?[a-z:_]{{0,30}}|<(?:{_NAME}){_ATTRIBUTES}|</?{_BAR}[a-z:_▁/]{{0,36}}{_BAR}?", re.IGNORECASE
)
"""The beginning of a tag."""
_QUOTES: Final = {'"': '"', "'": "'", "`": "`", "“": "”", "„": "“", "«": "»", "(": ")"}


def open_tag(prompt: str) -> re.Match[str] | None:
    """Return the opening tag at the end of a prompt."""
    end = prompt[-2 * LONGEST :].rstrip()
    return next((found for found in OPENING.finditer(end) if found.end() == len(end)), None)


def closing_tag(opening: re.Match[str]) -> str:
    """Return the tag that closes what an opening tag began, in capitals if the opening one is."""
    name, token = opening["name"], opening["token"]
    if name:
        closing = f"</{name}>"
    elif token:
        closing, found = re.subn("begin|start", "end", token, flags=re.IGNORECASE)
        closing = closing if found else f"{token[:2]}/{token[2:]}"
    else:
        closing = PAIRS[opening["mark"].lower()]
    return closing.upper() if opening[0].isupper() else closing


def closing_or_own(closing: str, opening: re.Match[str] | None) -> re.Pattern[str]:
    """Return the pattern of the group ``closing``, and of tags like the opening one, whatever their attributes.

    The group ``other`` matches closing tags of another name: some models mix them up.
    """
    name = opening and opening["name"]
    own = rf"<{re.escape(name)}{_ATTRIBUTES}(?<!/)>" if name else re.escape(opening[0]) if opening else "(?!)"
    if name:
        end = rf"</{re.escape(name)}\s?>|{_CLOSING_TOKEN}"  # the template may open them with another mark
    elif opening and opening["token"]:
        end = rf"{_CLOSING_TOKEN}|{re.escape(closing)}|<channel\|>|<\|content\|>"  # of Gemma 4 and Solar
    else:
        end = re.escape(closing)
    other = rf"|(?P<other></(?:{_NAME})\s?>)" if name else ""
    return re.compile(rf"(?P<closing>{end})|{own}{other}", re.IGNORECASE)


def unopened(text: str) -> re.Match[str] | None:
    """Return the tag that closes thoughts which begin with the text itself.

    Within a line, the tag must touch the end of a word or sentence, or the beginning of a word: ``so it is
    4.</think>Four``. One between spaces, in quotes or in code is mentioned.
    """
    found = TAG.search(text)
    if found is None or found["closing"] is None or text.count("`", 0, found.start()) % 2:
        return None
    return found if touches(found) or closes(found) else None


def closes(found: re.Match[str]) -> bool:
    """Return whether a tag closes thoughts, rather than being mentioned in them: it begins or ends a line."""
    return found["closing"] is not None and (stands_alone(found) or found[0] == FINAL)


def stands_alone(found: re.Match[str]) -> bool:
    """Return whether a tag begins or ends a line."""
    rest = found.string[found.end() : found.end() + WINDOW].lstrip(" \t")
    return at_line_start(found) or rest.startswith(("\n", "\r"))


def touches(found: re.Match[str]) -> bool:
    """Return whether a tag touches the end of a word or sentence, or the beginning of a word."""
    before, after = _neighbours(found)
    return before.isalnum() or (before != "" and before in ".!?…。！？") or after.isalnum()  # noqa: RUF001  # Chinese


def is_quoted(found: re.Match[str]) -> bool:
    """Return whether quotation marks enclose a tag."""
    before, after = _neighbours(found)
    return bool(before) and _QUOTES.get(before) == after


def may_be_quoted(found: re.Match[str]) -> bool:
    """Return whether a quotation mark precedes a tag."""
    return _neighbours(found)[0] in _QUOTES


def is_word(found: re.Match[str]) -> bool:
    """Return whether a tag is a word of a sentence, with a space before it, and a space or a comma after it."""
    before, after = _neighbours(found)
    return before == " " and after in " ,;:?!"


def at_line_start(found: re.Match[str]) -> bool:
    """Return whether only white space precedes a tag in its line."""
    _, newline, line = found.string[max(0, found.start() - WINDOW) : found.start()].rpartition("\n")
    return bool(newline) and not line.strip()


def _neighbours(found: re.Match[str]) -> tuple[str, str]:
    return found.string[max(0, found.start() - 1) : found.start()], found.string[found.end() : found.end() + 1]
