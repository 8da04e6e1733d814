"""Texts as pages whose lines have addresses."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from orbit.web.api.lines import in_lines

LINE = re.compile(r'<div id="line(\d+)" dir="auto">(.*?)</div>')


async def shown(codec: str, *pieces: bytes) -> list[tuple[str, str]]:
    async def given() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    page = b"".join([part async for part in in_lines(given(), "<a>.txt", codec)]).decode()
    assert "<title>&lt;a&gt;.txt</title>" in page
    return LINE.findall(page)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
async def test_each_line_has_its_number_however_the_file_is_cut_and_its_lines_end(end: str) -> None:
    text = end.join(["one", "", "zwölf <b>", "שלום"])
    data = text.encode()
    expected = [("1", "one"), ("2", ""), ("3", "zwölf &lt;b&gt;"), ("4", "שלום")]
    for cut in range(len(data)):
        assert await shown("utf-8-sig", data[:cut], data[cut:]) == expected
    assert await shown("utf-8-sig", data + end.encode()) == expected


async def test_an_empty_text_and_other_encodings() -> None:
    assert await shown("utf-8-sig", b"") == [("1", "")]
    assert await shown("utf-8-sig", b"\xef\xbb\xbfa") == [("1", "a")]
    assert await shown("utf-16", "ä\nb".encode("utf-16")) == [("1", "ä"), ("2", "b")]
    assert await shown("windows-1252", b"\xfc\n\x81") == [("1", "ü"), ("2", "�")]
