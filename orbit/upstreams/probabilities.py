"""Reads the probabilities of tokens, as most servers write them: in the form of OpenAI's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orbit.types import LikelyToken, WrittenToken


def written_tokens(items: Any) -> Iterator[WrittenToken]:
    """Yield the tokens in a list of probabilities. Skips whatever has another form."""
    for item in items if isinstance(items, list) else ():
        if (token := _likely(item)) is not None:
            top = item.get("top_logprobs")
            others = map(_likely, top) if isinstance(top, list) else ()
            yield WrittenToken(token.token, token.logprob, token.bytes, tuple(one for one in others if one is not None))


def _likely(item: Any) -> LikelyToken | None:
    if not isinstance(item, dict):
        return None
    text, logprob, raw = item.get("token"), item.get("logprob"), item.get("bytes")
    if not isinstance(text, str) or not isinstance(logprob, int | float):
        return None
    known = tuple(raw) if isinstance(raw, list) and all(isinstance(byte, int) for byte in raw) else None
    return LikelyToken(text.encode("utf-8", "replace").decode(), float(logprob), known)
