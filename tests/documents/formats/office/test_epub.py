"""EPUB books: what their lists of chapters may say."""

from __future__ import annotations

from office_kit import archive_of

from orbit.documents.reading.readers import read


def test_a_chapter_that_is_listed_again_and_again_is_read_once() -> None:
    places = '<itemref idref="one"/>' * 50_000 + '<itemref idref="same"/><itemref idref="two"/>'
    items = "".join(f'<item id="{name}" href="{file}"/>' for name, file in (("one", "1"), ("same", "1"), ("two", "2")))
    content = archive_of(
        {
            "META-INF/container.xml": '<c><rootfile full-path="book.opf"/></c>',
            "book.opf": f"<package><manifest>{items}</manifest><spine>{places}</spine></package>",
            "1": "<h1>Calm</h1><p>It was calm.</p>",
            "2": "<h1>Storm</h1><p>It blew.</p>",
        }
    )
    found = read("a.epub", content).sections
    assert [(section.path, section.text) for section in found] == [
        (("Calm",), "It was calm."),
        (("Storm",), "It blew."),
    ]
