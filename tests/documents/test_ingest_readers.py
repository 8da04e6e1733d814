"""Files to passages: what is read, what is refused and why, and how it is cut."""

import contextlib
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from orbit.config.model import Ingest
from orbit.documents.file_types import KNOWN, fingerprint
from orbit.documents.formats.markdown import read_markdown
from orbit.documents.reading.readers import read
from orbit.documents.sections import UnreadableError
from orbit.documents.split import passages

SAMPLES = Path(__file__).parents[1] / "data" / "ingest"


def passages_of(source, content, **settings):
    chosen = Ingest(**settings)
    return passages(source, read(source, content), "digest", chosen)


def sample(name, **settings):
    return passages_of(name, (SAMPLES / name).read_bytes(), **settings)


def make_pdf(*pages, title="", broken=False):
    """A small PDF with one line of text on each page; an empty line makes a page without text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    objects.append(b"<< /Title (" + title.encode() + b") >>")
    kids = []
    for text in pages:
        stream = zlib.compress(b"BT /F1 12 Tf 72 720 Td (" + text.encode() + b") Tj ET" if text else b"")
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (len(objects) + 2)
        )
        objects.append(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(b"%d 0 R" % kid for kid in kids), len(kids))
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out) + (7 if broken else 0)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % (offset + (3 if broken else 0)) for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 4 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)
    return bytes(out)


def make_docx(*paragraphs, padding=0):
    """A Word document of paragraphs with their styles."""
    import io
    import zipfile

    word = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    cells = "".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in ("adult", "9"))
    names = "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{name}"/></w:style>'
        for style, name in {"Title": "Title", "Heading1": "heading 1", "Normal": "Normal"}.items()
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr(
            "word/document.xml",
            f'<w:document xmlns:w="{word}"><w:body>{body}<w:tbl><w:tr>{cells}</w:tr></w:tbl></w:body></w:document>',
        )
        package.writestr("word/styles.xml", f'<w:styles xmlns:w="{word}">{names}</w:styles>')
        package.writestr("word/more.xml", " " * padding)
    return out.getvalue()


def encrypted(content, password):
    import io

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_markdown_passages_begin_with_the_headings_above_them():
    found = {passage.text.split("\n\n")[0]: passage for passage in sample("guide/harbour.md")}
    assert list(found) == [
        "The harbour guide",
        "The harbour guide > Ferries",
        "The harbour guide > Ferries > Summer timetable",
        "The harbour guide > Ferries > Winter timetable",
        "The harbour guide > Ferries > Tickets",
    ]
    assert {passage.title for passage in found.values()} == {"The harbour guide"}
    winter = found["The harbour guide > Ferries > Winter timetable"]
    assert winter.text.endswith("\n\nIn winter there are two ferries a day, at eight and at sixteen.")
    assert winter.metadata == {"heading": "Ferries > Winter timetable", "author": "nobody"}
    assert "# not a heading\nferry" in found["The harbour guide > Ferries > Summer timetable"].text
    tickets = found["The harbour guide > Ferries > Tickets"].text
    assert "| adult | 9 |" in tickets
    assert "nobody should read" not in tickets


def test_the_title_of_markdown_is_its_first_heading():
    assert read_markdown("Hello\n=====\n\ntext\n\n# Other\n\nmore").title == "Hello"
    assert read_markdown("just text").title == ""
    assert passages_of("dir/plain.md", b"just text")[0].text == "plain\n\njust text"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("# A\n\na\n\n### C\n\nc\n\n## B\n\nb\n\n# D\n\nd", [("A",), ("A", "C"), ("A", "B"), ("D",)]),
        ("# [Link](x) and `code` ##\n\na", [("Link and code",)]),
        ("# Anchored {#anchor}\n\na", [("Anchored",)]),
        ("# C#\n\na", [("C#",)]),
        ("####### seven\n\n    # code\n\na", [()]),
        ("~~~\n# no\n```\n# no\n~~~\n# Yes\n\na", [(), ("Yes",)]),
        ("- a list\n- of things\n---\n\nmore", [()]),
        ("two lines\nof text\n---\n\nmore", [("two lines of text",)]),
        ("| a |\n---\nb", [()]),
        ("#hashtag\n\n#", [()]),
        ("# \n\nafter an empty heading", [()]),
        ("---\nkey: value\n---\n\n# A\n\na", [("A",)]),
        ("---\n\nA rule, no header.", [()]),
    ],
)
def test_headings(text, paths):
    assert [section.path for section in read_markdown(text).sections] == paths


@pytest.mark.parametrize(
    "line",
    [
        "# " + " " * 50_000 + "x",
        "# a" + " \t" * 50_000 + "x",
        "# " + "[" * 50_000,
        "# " + "{#" * 50_000 + "}",
        "<!-- " * 50_000,
    ],
    ids=["spaces", "tabs", "brackets", "anchors", "comments"],
)
def test_odd_lines_do_not_take_for_ever(line):
    assert read_markdown(f"{line}\n\ntext").sections[0].text.endswith("text")


def test_long_sections_are_cut_and_every_piece_says_where_it_is_from():
    words = " ".join(f"Sentence number {number} stands here." for number in range(200))
    found = passages_of("long.md", f"# Title\n\n## Part\n\n{words}".encode(), chunk_size=300)
    assert len(found) > 10
    assert all(len(passage.text) <= 300 for passage in found)
    assert all(passage.text.startswith("Title > Part\n\nSentence number") for passage in found)
    joined = " ".join(passage.text.removeprefix("Title > Part\n\n") for passage in found)
    assert joined == words


@pytest.mark.parametrize("gap", ["\n\n", "\n", " "])
def test_very_long_texts_lose_nothing(gap):
    words = [f"w{number}" for number in range(20_000)]
    found = passages_of("t.txt", gap.join(words).encode(), chunk_overlap=0)
    assert [word for passage in found for word in passage.text.split("\n\n", 1)[1].split()] == words


def test_a_text_of_one_endless_word_does_not_take_for_ever():
    found = passages_of("t.txt", b"x" * 300_000, chunk_overlap=0)
    assert sum(passage.text.count("x") for passage in found) == 300_000


def test_headings_longer_than_a_passage_leave_room_for_text():
    found = passages_of("long.md", ("# " + "x" * 150 + "\n\n" + "word " * 100).encode(), chunk_size=100)
    assert all("word word" in passage.text for passage in found)


def test_passages_of_plain_text_overlap():
    text = " ".join(f"w{number}" for number in range(400))
    found = passages_of("t.txt", text.encode(), chunk_size=200, chunk_overlap=50)
    bodies = [passage.text.split("\n\n")[1] for passage in found]
    assert all(later.split()[0] in earlier.split() for earlier, later in pairwise(bodies))
    assert set(" ".join(bodies).split()) == set(text.split())


@pytest.mark.parametrize("settings", [{"chunk_size": 1}, {"chunk_size": 2, "chunk_overlap": 100}, {"chunk_size": 10}])
def test_absurd_sizes_still_give_all_text(settings):
    found = passages_of("t.txt", b"abc def", **settings)
    assert "".join(passage.text.split("\n\n", 1)[1].strip() for passage in found).replace(" ", "")[:3] == "abc"


def test_text():
    (passage,) = sample("notes.txt")
    assert passage.title == "notes"
    assert passage.text.startswith("notes\n\nThe lighthouse was built in 1887")
    assert passage.source == "notes.txt"


def test_html():
    found = sample("page.html")
    assert {passage.title for passage in found} == {"Berths & moorings"}
    whole = "\n".join(passage.text for passage in found)
    assert "Berths & moorings > Guest berths > Prices" in whole
    assert "Guest berths lie on the east quay;\ncall ahead on channel 12." in whole
    assert "up to 8 m | 15 crowns" in whole
    assert "- Water is included\n" in whole
    assert "VHF  12\nTel  555" in whole
    for gone in ("track", "color", "Home", "hidden remark", "<"):
        assert gone not in whole


def test_html_takes_all_articles_but_the_main_part_if_there_is_one():
    def body(html):
        return passages_of("a.html", html)[0].text

    assert body(b"<p>around</p><article>one</article><article>two</article>") == "a\n\naround\n\none\n\ntwo"
    assert body(b"<p>around</p><article>one</article>") == "a\n\none"
    assert body(b"<p>around</p><main>inside</main>") == "a\n\ninside"
    assert body(b"<p>around</p><main></main>") == "a\n\naround"


def test_html_in_its_declared_encoding():
    page = '<html><head><meta charset="iso-8859-1"><title>Caf\xe9</title></head><body>Cr\xe8me</body></html>'
    (passage,) = passages_of("a.html", page.encode("latin-1"))
    assert passage.text == "Café\n\nCrème"


def test_pdf_passages_know_their_page():
    found = passages_of("a.pdf", make_pdf("First page here", "", "Third page here", title="Sailing"))
    assert [(passage.text, passage.metadata) for passage in found] == [
        ("Sailing\n\nFirst page here", {"page": 1}),
        ("Sailing\n\nThird page here", {"page": 3}),
    ]


def test_a_pdf_with_a_wrong_index_is_read_quietly(caplog, capfd):
    (passage,) = passages_of("a.pdf", make_pdf("Still readable", broken=True))
    assert "Still readable" in passage.text
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_pdf_with_an_empty_password_is_read():
    (passage,) = passages_of("a.pdf", encrypted(make_pdf("Not secret"), ""))
    assert "Not secret" in passage.text


def test_questions_and_answers_stay_together():
    first, second = sample("questions.json", chunk_size=20)
    assert first.text == "Question: Where can I rent a bicycle?\nAnswer: At the kiosk beside the fish market."
    assert first.title == "Where can I rent a bicycle?"
    assert second.title == "Is there a sauna?"


@pytest.mark.parametrize(
    ("source", "content", "reason"),
    [
        ("a.md", b"", "is empty"),
        ("a.md", b" \n\t\n", "is empty"),
        ("a.md", b"<!-- only a comment -->", "has no text"),
        ("a.txt", b"abc\0def", "is binary, not text"),
        ("a.txt", b"\xff\xfea\x00b", "is not UTF-16 text (byte 4)"),
        ("a.xyz", b"x", "'.xyz' is not a known type (.md, "),
        ("a.png", b"x", "is a '.png' file, which ORBIT does not read; the provider 'ocr' reads pictures"),
        ("a.pages", b"x", "is a '.pages' file, which ORBIT does not read; save it as .docx"),
        ("logs.tar.gz", b"x", "is a '.gz' file, which ORBIT does not read; unpack it"),
        ("Makefile", b"x", "no extension that shows its type (.md, "),
        ("a.html", b"<script>only()</script>", "has no text"),
        ("a.json", b"{", "is not readable JSON"),
        ("a.json", b"[]", "has no text"),
        ("a.pdf", b"this is no PDF at all", "is not a readable PDF"),
        ("a.pdf", make_pdf("Cut off in the middle")[:200], "is not a readable PDF"),
        ("a.pdf", make_pdf(""), "is a PDF without text"),
        ("a.pdf", encrypted(make_pdf("Secret"), "sesame"), "is encrypted"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(source, content, reason, caplog, capfd):
    with pytest.raises(UnreadableError) as caught:
        passages_of(source, content)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("cut", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_a_pdf_cut_off_anywhere_is_read_or_refused_but_nothing_else(cut):
    whole = make_pdf("One", "Two", "Three")
    with contextlib.suppress(UnreadableError):
        assert passages_of("a.pdf", whole[: int(len(whole) * cut)])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_in_unicode_encodings(encoding):
    (passage,) = passages_of("a.txt", "naïve 東京 🙂".encode(encoding))
    assert passage.text == "a\n\nnaïve 東京 🙂"


def test_line_ends_do_not_matter():
    assert passages_of("a.md", b"# A\r\n\r\nb\r\n") == passages_of("a.md", b"# A\n\nb\n")


def test_ids_are_stable_and_differ_by_source_and_content():
    def ids(source, text, digest="d"):
        return [passage.id for passage in passages(source, read(source, text), digest, Ingest())]

    assert ids("a.txt", b"text") == ids("a.txt", b"text")
    assert len({*ids("a.txt", b"text"), *ids("b.txt", b"text"), *ids("a.txt", b"text", "e")}) == 3


def test_the_fingerprint_tells_content_type_and_sizes_apart():
    assert fingerprint("a.md", b"x", 900, 100) == fingerprint("other/b.markdown", b"x", 900, 100)
    others = [("a.md", b"y", 900, 100), ("a.txt", b"x", 900, 100), ("a.md", b"x", 901, 100), ("a.md", b"x", 900, 99)]
    assert len({fingerprint("a.md", b"x", 900, 100), *(fingerprint(*other) for other in others)}) == 5


def test_endings_may_be_written_large():
    assert passages_of("README.MD", b"# A\n\nb")
    assert ".md" in KNOWN


def test_a_word_document_is_cut_at_its_headings():
    content = make_docx(("Title", "House rules"), ("Heading1", "Noise"), ("Normal", "Phones are silent &amp; dark."))
    (passage,) = passages_of("rules.docx", content)
    assert passage.text == "House rules > Noise\n\nPhones are silent & dark.\n\nadult | 9"
    assert passage.title == "House rules"


def test_each_row_of_a_table_is_a_passage():
    content = 'Name;Phone;Notes\r\nAnna;1234;"two\nlines; and more"\r\n;;\r\nBert;9876;\r\n'.encode("utf-16")
    anna, bert = passages_of("staff.csv", content)
    assert anna.text == "Name: Anna\nPhone: 1234\nNotes: two\nlines; and more"
    assert (bert.text, bert.metadata) == ("Name: Bert\nPhone: 9876", {"row": 3})
    assert [passage.text for passage in passages_of("a.tsv", b"a\tb\n1, 2\t3\n")] == ["a: 1, 2\nb: 3"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.docx", b"this is no archive", "is not a readable Word document"),
        ("a.docx", make_docx(("Normal", "Cut"))[:-60], "is not a readable Word document"),
        ("a.docx", b"\xd0\xcf\x11\xe0 of an old Word", "is encrypted or in the format of an old Office"),
        ("a.docx", make_docx(("Normal", "Bomb"), padding=60_000_000), "unpacks to 600"),
        ("a.csv", b"name,phone\n", "is a table without rows"),
    ],
)
def test_documents_and_tables_that_cannot_be_read(name, content, reason):
    with pytest.raises(UnreadableError, match=reason):
        read(name, content)


def test_json_that_is_nested_too_deeply_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="is not readable JSON"):
        read("questions.json", b'[{"question": "a", "answer": "b", "more": ' + b"[" * 50_000)
