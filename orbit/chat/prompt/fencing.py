"""Fences passages in a prompt, as a defence against prompt injection by documents.

A document's text must not close its fence or open another one, nor look to the model as if it did. It must not contain
the role markers of chat templates or invisible characters either.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_BRACKETS = "<\u02c2\u1438\u2039\u227a\u2329\u276c\u276e\u2770\u27e8\u29fc\u3008\ufe64\uff1c"
_OPEN = rf"(?:[{_BRACKETS}]|&(?:lt|#0*60|#x0*3c);?|%3c|\\(?:u00|x)3c)"
_TOKENS = "/?(?:s|bos|eos|unk|pad|mask|sys|im_start|im_end|start_of_turn|end_of_turn|endoftext)"
_TOOLS = "available_tools|tool_calls|tool_results|tool_content"
_BREAKING = re.compile(
    rf"{_OPEN}(?:(?=[\s/\\]*passage)"  # the fence
    rf"|(?=\s*\||{_TOKENS}\s*>))"  # control tokens: <|im_start|>, <s>, <start_of_turn>
    rf"|\[(?=/?(?:inst|system_prompt|{_TOOLS}|gmask)\])"
)
"""Fences and control tokens, in the output of ``_plain``. Each match starts at the bracket to replace."""
_SUSPECT = re.compile(rf"[{_BRACKETS}&%\\\[\uff3b]")
"""First characters of anything that reads as a bracket. Most texts have none, and need no further work."""

_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e"
    "\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]+"
)
"""Invisible characters, except the joiners U+200C and U+200D, which Persian and Hindi need."""
_LINE_END = re.compile("\r\n?|[\x85\u2028\u2029]")

_LOOK_ALIKES = {
    **dict.fromkeys("\u0430\u03b1\u0251\u1d00", "a"),
    **dict.fromkeys("\u0435\u03b5\u1d07", "e"),
    **dict.fromkeys("\u0261\u0262\u0581", "g"),
    **dict.fromkeys("\u0440\u03c1\u1d18", "p"),
    **dict.fromkeys("\u0455\ua731", "s"),
    **dict.fromkeys("\u2044\u2215\u29f8", "/"),
    **dict.fromkeys("\u01c0\u2223\u23d0\u2502\u2758", "|"),
    **dict.fromkeys("\u200c\u200d", ""),
    "\u2800": " ",
}
"""Homoglyphs: characters that look like those of a fence or a control token."""


def fenced(number: int, text: str) -> str:
    """Return a passage within its fence. No text can add another fence."""
    return f'<passage number="{number}">\n{inert(text)}\n</passage>'


def inert(text: str) -> str:
    """Return ``text`` without invisible characters, and with ``(`` as the bracket of fake fences and control tokens."""
    text = _HIDDEN.sub("", _LINE_END.sub("\n", text))
    if not _SUSPECT.search(text):
        return text
    plain, places = _plain(text)
    parts: list[str] = []
    done = 0
    for match in _BREAKING.finditer(plain):
        place = places[match.start()]
        parts += (text[done:place], "(")
        done = place + 1
    return "".join([*parts, text[done:]])


def _plain(text: str) -> tuple[str, range | list[int]]:
    """Return ``text`` in lower case with homoglyphs replaced, and each character's position in the original."""
    if text.isascii():
        return text.lower(), range(len(text))
    folded = [_folded(character) for character in text]
    return "".join(folded), [place for place, letters in enumerate(folded) for _ in letters]


@lru_cache(4096)
def _folded(character: str) -> str:
    letters = unicodedata.normalize("NFKD", character).casefold()
    return "".join(_LOOK_ALIKES.get(letter, letter) for letter in letters if not unicodedata.combining(letter))
