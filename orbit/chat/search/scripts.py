"""The scripts that a text is written in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Container
from functools import lru_cache


def share(text: str, scripts: Container[str]) -> float:
    """Return the share of a text's letters that belong to some scripts; 1 without scripts, and without letters."""
    if not scripts:
        return 1.0
    letters = [letter for letter in text if letter.isalpha()]
    return sum(_script(letter) in scripts for letter in letters) / len(letters) if letters else 1.0


@lru_cache(maxsize=1024)
def script_of(text: str) -> str:
    """Return the script that most of a text's letters belong to, as Unicode names it; empty without letters."""
    scripts: Counter[str] = Counter()
    for letter, count in Counter(text).items():
        if letter.isalpha():
            scripts[_script(letter)] += count
    return scripts.most_common(1)[0][0] if scripts else ""


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
