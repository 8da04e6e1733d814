"""Addresses of the sources of an answer."""

from pathlib import Path

import pytest

from orbit import CallContext, Document
from orbit.chat.answer.links import Links, at_page, at_place
from orbit.chat.turn import Turn
from orbit.documents import LocalFile, Origins

URL = "https://chat.example.org"


class Seals:
    def query(self, key_id: str, collection: str, source: str) -> str:
        return f"for={key_id},{collection},{len(source)}"


@pytest.mark.parametrize(
    ("link", "metadata", "expected"),
    [
        (f"{URL}/a.pdf?x=1", {"page": 3}, f"{URL}/a.pdf?x=1#page=3"),
        (f"{URL}/A.PDF", {"page": 3}, f"{URL}/A.PDF#page=3"),
        (f"{URL}/a.pdf", {}, f"{URL}/a.pdf"),
        (f"{URL}/a.pdf#clause", {"page": 3}, f"{URL}/a.pdf#clause"),
        ("http://example.org/a.pdf#", {"page": 3}, "http://example.org/a.pdf#page=3"),
        (f"{URL}/a.html", {"page": 3}, f"{URL}/a.html"),
        (f"{URL}/a.pdf", {"page": "iii"}, f"{URL}/a.pdf"),
        ("http://[a.pdf", {"page": 3}, "http://[a.pdf"),
        ("javascript:a.pdf", {"page": 3}, "javascript:a.pdf"),
        ("", {"page": 3}, ""),
    ],
)
def test_a_link_to_a_pdf_opens_the_page(link: str, metadata: dict[str, str | int], expected: str) -> None:
    assert at_page(link, Document("1", "t", metadata={**metadata})) == expected


@pytest.mark.parametrize(
    ("source", "text", "metadata", "expected"),
    [
        ("a.py", "def f():", {"line": 12}, "&lines=1#line12"),
        (
            "A.TXT",
            "Notes > Tea\n\n  Three-minute tea, & milk.\nMore.",
            {},
            "&lines=1#:~:text=Three%2Dminute%20tea%2C%20%26%20milk.",
        ),
        ("a.md", "Notes", {}, "&lines=1#:~:text=Notes"),
        ("a.txt", "word " * 40, {}, "&lines=1#:~:text=" + "%20".join(["word"] * 16)),
        ("a.txt", "x" * 200, {}, ""),
        (
            "a.md",
            f"| field | meaning |\n|---|---|\n| {'age ' * 15}|",
            {},
            "&lines=1#:~:text=%7C%20" + "age%20" * 15 + "%7C",
        ),
        ("a.md", "```sh\norbit serve\n```\n\nNote.\n" + "beyond " * 10, {}, "&lines=1#:~:text=orbit%20serve"),
        ("a.pdf", "Tea.", {"page": 2, "line": 3}, "#page=2"),
        ("a.docx", "Tea.", {"line": 3}, ""),
    ],
)
def test_a_link_to_a_text_opens_its_line(source: str, text: str, metadata: dict[str, str | int], expected: str) -> None:
    link = f"{URL}/documents/{source}?for=x"
    assert at_place(link, Document("1", text, source, "Notes", metadata={**metadata})) == link + expected
    assert at_place("", Document("1", text, source)) == ""


async def test_files_of_this_machine_get_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x y#1.pdf").write_text("x")
    origins = Origins(tmp_path / "ingested.db")
    source = "a/x y#1.pdf"
    origins.claim("books", {source: str(tmp_path), "sent.pdf": ""}, {source: LocalFile(tmp_path / source, source)})
    documents = [
        Document("1", "t", source, metadata={"page": 2}),
        Document("2", "t", "sent.pdf"),
        Document("3", "t", "page", link="https://example.org/"),
        Document("4", "t"),
    ]
    links = Links(origins, Seals(), "books")
    asked = Turn("?", CallContext("r", "k1"), address=URL)
    first = f"{URL}/documents/a/x%20y%231.pdf?for=k1,books,{len(source)}#page=2"
    assert await links.of(asked, documents) == (first, "", "https://example.org/", "")
    elsewhere = Turn("?", CallContext("r", "k1", collection="other"), address=URL)
    assert await links.of(elsewhere, documents) == ("", "", "https://example.org/", "")
    own = Links(origins, Seals(), "books", "https://docs.example.org/orbit/")
    assert (await own.of(asked, documents))[0].startswith("https://docs.example.org/orbit/documents/a/")


async def test_without_the_record_of_files_the_answer_has_no_links(tmp_path: Path) -> None:
    (tmp_path / "ingested.db").write_text("no database")
    links = Links(Origins(tmp_path / "ingested.db"), Seals(), "books")
    assert await links.of(Turn("?", CallContext("r"), address=URL), [Document("1", "t", "a.pdf")]) == ("",)
