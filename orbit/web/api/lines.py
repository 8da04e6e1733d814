"""A text as a web page in which each line has an address, such as ``#line12``. Browsers cannot open a plain text so."""

from __future__ import annotations

import codecs
import html
import io
from collections.abc import AsyncIterator
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark }
body { margin: 0; padding: 1rem 0; font: .875rem/1.5 ui-monospace, monospace; counter-reset: line }
div { position: relative; min-height: 1.5em; padding: 0 1rem 0 4.5rem; scroll-margin-top: 30vh }
div { white-space: pre-wrap; overflow-wrap: anywhere }
div::before { counter-increment: line; content: counter(line); position: absolute; left: 0; width: 3.5rem }
div::before { opacity: .65; text-align: right; direction: ltr; user-select: none }
div:target { background: light-dark(#fff3bf, #574700) }
"""


async def in_lines(pieces: AsyncIterator[bytes], name: str, codec: str) -> AsyncIterator[bytes]:
    """Yield the page of a text, piece by piece. ``codec`` is Python's name of the text's encoding."""
    head = '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    yield f"{head}<title>{html.escape(name)}</title><style>{_STYLE}</style></head><body>".encode()
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)("replace"), translate=True)
    number, left = 1, ""
    async for piece in pieces:
        *lines, left = (left + decoder.decode(piece)).split("\n")
        yield "".join([_line(at, line) for at, line in enumerate(lines, number)]).encode()
        number += len(lines)
    rest = left + decoder.decode(b"", final=True)
    lines = rest.removesuffix("\n").split("\n") if rest or number == 1 else []
    yield "".join([_line(at, line) for at, line in enumerate(lines, number)]).encode()


def _line(number: int, text: str) -> str:
    return f'<div id="line{number}" dir="auto">{html.escape(text)}</div>'
