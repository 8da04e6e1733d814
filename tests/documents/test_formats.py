"""Formats of every office: what is in a file is read, where it is is known, and what cannot be read is named."""

import base64
import datetime as dt
import io
import json
import zipfile
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest
from office_kit import archive_of, docx, paragraph, relations
from pdf_kit import line, make_pdf

from orbit import CallContext
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.documents.file_types import KNOWN
from orbit.documents.formats.office.number_format import shown
from orbit.documents.reading.readers import read
from orbit.documents.sections import UnreadableError
from orbit.documents.split import passages
from orbit.testing import host

A = 'xmlns:a="a" xmlns:p="p" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
ODF = 'xmlns:o="o" xmlns:t="t" xmlns:b="b" xmlns:d="d" xmlns:p="p"'


def day(*of):
    """A time as spreadsheets have it: of no zone."""
    return dt.datetime(*of)  # noqa: DTZ001  # see above


def sections(name, content):
    return [(section.path, section.text, section.metadata) for section in read(name, content).sections]


def text_of(name, content):
    return "\n".join(section.text for section in read(name, content).sections)


def shape(text, kind=""):
    place = f'<p:ph type="{kind}"/>' if kind else ""
    return f"<p:sp><p:nvPr>{place}</p:nvPr><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"


def pptx():
    rows = ["".join(f"<a:tc><a:p><a:t>{cell}</a:t></a:p></a:tc>" for cell in row) for row in ("ab", "12")]
    cells = "".join(f"<a:tr>{row}</a:tr>" for row in rows)
    order = '<p:sldId id="256" r:id="x2"/><p:sldId id="257" r:id="x1"/>'
    notes = shape("", "sldImg") + shape("Say it slowly", "body")
    first = shape("Welcome", "ctrTitle") + f"<p:grpSp>{shape('in a group')}</p:grpSp>" + shape("7", "sldNum")
    second = shape("Prices", "title") + f"<p:graphicFrame><a:tbl>{cells}</a:tbl></p:graphicFrame>"
    return archive_of(
        {
            "ppt/presentation.xml": f"<p:presentation {A}>{order}</p:presentation>",
            "ppt/_rels/presentation.xml.rels": relations(x1="slide slides/slide1.xml", x2="slide slides/slide9.xml"),
            "ppt/slides/slide9.xml": f"<p:sld {A}>{first}</p:sld>",
            "ppt/slides/slide1.xml": f"<p:sld {A}>{second}</p:sld>",
            "ppt/slides/_rels/slide1.xml.rels": relations(n="notesSlide ../notesSlides/notesSlide1.xml"),
            "ppt/notesSlides/notesSlide1.xml": f"<p:notes {A}>{notes}</p:notes>",
        }
    )


def test_slides_come_in_their_order_with_tables_and_notes():
    assert sections("a.pptx", pptx()) == [
        (("Welcome",), "in a group", {"slide": 1}),
        (("Prices",), "a | b\n1 | 2\n\nNotes: Say it slowly", {"slide": 2}),
    ]


def test_a_cell_of_a_slide_for_several_rows_is_in_each():
    cells = [("<a:tc>", "Sales"), ("<a:tc>", "Ann")], [('<a:tc vMerge="1">', ""), ("<a:tc>", "Bob")]
    inner = ["".join(f"{tag}<a:p><a:t>{text}</a:t></a:p></a:tc>" for tag, text in row) for row in cells]
    rows = "".join(f"<a:tr>{row}</a:tr>" for row in inner)
    parts = {
        "ppt/presentation.xml": f'<p:presentation {A}><p:sldId id="256" r:id="x1"/></p:presentation>',
        "ppt/_rels/presentation.xml.rels": relations(x1="slide slides/slide1.xml"),
        "ppt/slides/slide1.xml": f"<p:sld {A}><p:graphicFrame><a:tbl>{rows}</a:tbl></p:graphicFrame></p:sld>",
    }
    assert text_of("a.pptx", archive_of(parts)) == "Sales | Ann\nSales | Bob"


def workbook(*rows, title="Costs"):
    import openpyxl  # type: ignore[import-untyped]  # it has no types

    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    return book


def saved(book):
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_sheets_repeat_their_header_and_passages_know_their_row():
    rows = [(f"Article {number}", number, number * 1.5) for number in range(2, 202)]
    content = saved(workbook(("Article", "Amount", "Price"), *rows))
    found = passages("costs.xlsx", read("costs.xlsx", content), "d", Ingest())
    assert len(found) > 3
    for passage in found:
        above, body = passage.text.split("\n\n")
        header, *lines = body.split("\n")
        assert (above, header) == ("costs > Costs", "Article | Amount | Price")
        assert lines[0].startswith(f"Article {passage.metadata['row']} | ")
        assert passage.metadata["sheet"] == "Costs"


def test_a_title_above_the_columns_is_no_header_and_empty_rows_count():
    content = saved(workbook(("Prices of 2024",), (), ("Name", "Price"), ("Tea", 3), (), ("Milk", 2)))
    assert [(text, data["row"]) for _, text, data in sections("a.xlsx", content)] == [
        ("Prices of 2024", 1),
        ("Tea | 3", 4),
        ("Milk | 2", 6),
    ]


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.125, "0.0%", "12.5%"),
        (1234567.5, "#,##0.00", "1,234,567.50"),
        (7, "0000", "0007"),
        (-5.5, "0.00;(0.00)", "(5.50)"),
        (12, '#,##0\\ "EUR"', "12 EUR"),
        (12, "[$€-407] #,##0.00", "€ 12.00"),
        (1500000, '0.0,,"M"', "1.5M"),
        (3.5, "0.##", "3.5"),
        (3, "General", "3"),
        (0.1 + 0.2, None, "0.3"),
        (10**16, None, "10000000000000000"),
        (True, None, "TRUE"),
        (day(2024, 12, 31), "dd.mm.yyyy", "31.12.2024"),
        (day(2024, 12, 31), "mm-dd-yy", "2024-12-31"),
        (day(2024, 1, 5, 14, 7), "d/m/yy h:mm AM/PM", "5/1/24 2:07 PM"),
        (day(2024, 1, 5, 14, 7, 9), "yyyy-mm-dd hh:mm:ss", "2024-01-05 14:07:09"),
        (day(2024, 3, 1), "[$-409]d mmmm yyyy", "1 March 2024"),
        (dt.time(8, 30), "h:mm", "8:30"),
        (5, '"' * 400, "5"),
    ],
)
def test_numbers_and_dates_are_written_as_they_are_shown(value, form, text):
    assert shown(value, form) == text


def test_formats_of_cells_reach_the_passage():
    book = workbook(("Rate", "Since"), (0.19, day(2024, 12, 31)))
    book.active["A2"].number_format, book.active["B2"].number_format = "0%", "dd.mm.yyyy"
    assert "19% | 31.12.2024" in text_of("a.xlsx", saved(book))


def opendocument(kind, body, styles="", more=None):
    return archive_of(
        {
            **(more or {}),
            "content.xml": f"<o:document {ODF}><o:body><o:{kind}>{body}</o:{kind}></o:body></o:document>",
            "styles.xml": f"<o:styles {ODF}>{styles}</o:styles>",
        }
    )


def test_opendocument_text():
    body = (
        '<t:h t:outline-level="1">Rules</t:h><t:p>No<t:s t:c="2"/>smoking<t:note><t:note-citation>1</t:note-citation>'
        "<t:note-body><t:p>Nor vaping.</t:p></t:note-body></t:note>.</t:p>"
        "<t:list><t:list-item><t:p>one</t:p></t:list-item>"
        "</t:list>"
        "<b:table><b:table-row><b:table-cell><t:p>a</t:p></b:table-cell><b:table-cell><t:p>b</t:p></b:table-cell>"
        "</b:table-row></b:table>"
    )
    content = opendocument("text", body, "<s><header><t:p>ACME</t:p></header><footer><t:p>page foot</t:p></footer></s>")
    assert sections("a.odt", content) == [
        ((), "ACME", {}),
        (("Rules",), "No  smoking [1].\n\n[1] Nor vaping.\n\n- one\n\na | b", {}),
        (("Rules",), "page foot", {}),
    ]


def test_opendocument_spreadsheet_shows_what_the_program_shows():
    def row(*cells, more=""):
        inner = "".join(f"<b:table-cell><t:p>{cell}</t:p></b:table-cell>" for cell in cells)
        return f"<b:table-row{more}>{inner}</b:table-row>"

    empty = '<b:table-row b:number-rows-repeated="1048000"><b:table-cell b:number-columns-repeated="16000"/>'
    rows = row("Name", "Day") + row("Ana", "31.12.24", more=' b:number-rows-repeated="2"') + empty + "</b:table-row>"
    body = f'<b:table b:name="Dates">{rows}</b:table>'
    ((path, text, metadata),) = sections("a.ods", opendocument("spreadsheet", body))
    assert (path, text, metadata) == (("Dates",), "Ana | 31.12.24\nAna | 31.12.24", {"sheet": "Dates", "row": 2})


def test_opendocument_presentation():
    page = (
        '<d:page><d:frame p:class="title"><d:text-box><t:p>Hello</t:p></d:text-box></d:frame><d:frame><d:text-box>'
        "<t:list><t:list-item><t:p>point</t:p></t:list-item></t:list></d:text-box></d:frame>"
        "<p:notes><d:frame><d:text-box><t:p>pause</t:p></d:text-box></d:frame></p:notes></d:page>"
    )
    content = opendocument("presentation", page * 2)
    assert sections("a.odp", content) == [
        (("Hello",), "- point\n\nNotes: pause", {"slide": 1}),
        (("Hello",), "- point\n\nNotes: pause", {"slide": 2}),
    ]


def book(title="The Sea", **chapters):
    items = "".join(f'<item id="{name}" href="{name}.xhtml"/>' for name in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in reversed(chapters))
    return archive_of(
        {
            "META-INF/container.xml": '<c><rootfile full-path="OPS/book.opf"/></c>',
            "OPS/book.opf": f"<package xmlns:dc='dc'><dc:title>{title}</dc:title>"
            f"<manifest>{items}</manifest><spine>{order}</spine></package>",
            **{f"OPS/{name}.xhtml": f"<html><body>{text}</body></html>" for name, text in chapters.items()},
        }
    )


def test_pages_of_a_book_that_its_order_lacks_and_names_in_other_case_are_read():
    page = "application/xhtml+xml"
    items = (
        f'<item id="a" href="TEXT/one.xhtml"/><item id="n" href="notes.xhtml" media-type="{page}"/>'
        f'<item id="t" href="toc.xhtml" media-type="{page}" properties="nav"/>'
    )
    parts = {
        "META-INF/container.xml": '<c><rootfile full-path="book.opf"/></c>',
        "book.opf": f"<package><manifest>{items}</manifest><spine><itemref idref='a'/></spine></package>",
        "Text/One.xhtml": "<p>It blew [1].</p>",
        "notes.xhtml": "<p>From the north.</p>",
        "toc.xhtml": "<p>Contents</p>",
    }
    assert text_of("a.epub", archive_of(parts)) == "It blew [1].\nFrom the north."


def test_the_chapters_of_a_book_come_in_its_order():
    content = book(last="<h1>Storm</h1><p>It blew.</p>", first="<h1>Calm</h1><p>It was calm.</p>")
    assert read("a.epub", content).title == "The Sea"
    found = passages("a.epub", read("a.epub", content), "d", Ingest())
    assert [passage.text for passage in found] == ["The Sea > Calm\n\nIt was calm.", "The Sea > Storm\n\nIt blew."]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.epub", lambda: book(one="<p>It blew.</p>", title="Microsoft Word - a.docx")),
        ("a.md", lambda: b"---\ntitle: Untitled\n---\n\nIt blew.\n"),
        ("a.html", lambda: b"<title>New Page 1</title><p>It blew."),
    ],
)
def test_a_title_that_says_nothing_is_none_in_any_format(name, content):
    assert read(name, content()).title == ""


def test_rich_text():
    content = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0 Caf\'e9 \u8364? 5\par {\*\generator x;}Second\par}"
    assert text_of("a.rtf", content).split("\n\n") == ["Café € 5", "Second"]


def message(subject="Offer", text="We offer chairs."):
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ana <ana@example.com>", "bert@example.com", subject
    mail.set_content(text)
    return mail


def test_a_message_is_read_with_its_attachments():
    mail = message("Café offer")
    mail.add_attachment(docx(paragraph("Forty chairs.")), maintype="application", subtype="x", filename="offer.docx")
    mail.add_attachment(b"PNG", maintype="image", subtype="png", filename="plan.png")
    mail.add_attachment(message("Inner", "Forwarded words."))
    found = read("a.eml", bytes(mail))
    assert found.title == "Café offer"
    assert [(section.path, section.text) for section in found.sections] == [
        ((), "From: Ana <ana@example.com>\nTo: bert@example.com\nSubject: Café offer\n\nWe offer chairs."),
        (("offer.docx",), "Forty chairs."),
        (
            ("Inner.eml",),
            "From: Ana <ana@example.com>\nTo: bert@example.com\nSubject: Inner\n\nForwarded words.",
        ),
    ]
    assert found.warnings == (
        "The attachment 'plan.png' is a '.png' file, which ORBIT does not read; the provider 'ocr' reads pictures.",
    )


def test_messages_within_messages_end():
    mail = message("0")
    for number in range(1, 30):
        outer = message(str(number))
        outer.add_attachment(mail)
        mail = outer
    found = read("a.eml", bytes(mail))
    assert len(found.sections) < 10
    assert "is nested too deeply" in found.warnings[-1]


def test_a_mailbox():
    content = b"".join(b"From someone Thu Jan 1\n" + bytes(message(subject)) + b"\n" for subject in ("One", "Two"))
    assert [path for path, *_ in sections("a.mbox", content)] == [("One",), ("Two",)]


def test_lines_that_a_mailbox_escapes_are_as_they_were_written():
    content = b"From someone Thu\nSubject: One\n\n>From the start\n>>From here\n> From there\n"
    assert text_of("a.mbox", content).endswith("From the start\n>From here\n> From there")


def test_a_notebook():
    cells = [
        {"cell_type": "markdown", "source": ["# Sums\n", "How to add."]},
        {"cell_type": "code", "source": "print(1 + 1)", "outputs": [{"text": ["2\n"]}, {"data": {"image/png": "xx"}}]},
    ]
    assert sections("a.ipynb", json.dumps({"cells": cells}).encode()) == [
        (("Sums",), "How to add.", {"cell": 1}),
        (("Sums",), "print(1 + 1)", {"cell": 2}),
        (("Sums",), "Output:\n2", {"cell": 2}),
    ]


@pytest.mark.parametrize("encoding", ["Shift_JIS", "EUC-JP", "Big5", "UTF-16"])
def test_xml_is_read_in_the_encoding_it_declares(encoding):
    content = f'<?xml version="1.0" encoding="{encoding}"?><a><b>文書</b></a>'.encode(encoding)
    found = read("a.xml", content)
    assert ([section.text for section in found.sections], found.warnings) == (["b: 文書"], ())


def test_xml_that_is_not_in_utf_8_as_it_says_is_guessed():
    found = read("a.xml", '<?xml version="1.0" encoding="UTF-8"?><a><b>Größe</b></a>'.encode("latin-1"))
    assert found.sections[0].text == "b: Größe"
    assert "which is a guess" in found.warnings[0]


def test_xml_of_any_kind():
    content = b'<?xml version="1.0" encoding="iso-8859-1"?>\n<orders>\n<order id="7"><item>Caf\xe9 <b>au</b> lait'
    content += b'</item></order>\n<order id="8"/>\n</orders>'
    assert sections("a.xml", content) == [
        ((), "order id: 7\norder item: Café au lait", {"line": 3}),
        ((), "order id: 8", {"line": 4}),
    ]


def test_json_of_any_form():
    people = json.dumps([{"name": "Ana", "phones": [1, 2], "home": {"city": "Rome"}}, {"name": "Bert", "x": None}])
    assert sections("a.json", people.encode()) == [
        ((), "name: Ana\nphones: 1, 2\nhome.city: Rome", {"row": 1}),
        ((), "name: Bert", {"row": 2}),
    ]
    assert text_of("a.json", b'{"port": 80, "hosts": ["a", "b"], "on": true}') == "port: 80\nhosts: a, b\non: true"
    assert sections("a.json", b'{"rates": [{"a": 1}, {"a": 2}]}') == [
        (("rates",), "a: 1", {"row": 1}),
        (("rates",), "a: 2", {"row": 2}),
    ]


def test_a_list_of_questions_with_other_entries_is_read_all_the_same():
    content = b'[{"question": "Where?", "answer": "There."}, {"question": "When?"}]'
    assert text_of("a.json", content) == "question: Where?\nanswer: There.\nquestion: When?"


def test_json_lines_name_the_line_and_a_broken_one():
    found = read("a.jsonl", b'{"a": 1}\n\n{"a": \n{"a": 3}\n')
    assert [(section.text, section.metadata) for section in found.sections] == [
        ("a: 1", {"line": 1}),
        ("a: 3", {"line": 4}),
    ]
    assert found.warnings == ("1 lines are not JSON, the first is line 3.",)


def test_numbers_of_json_are_as_they_are_written():
    written = b'{"version": 1.10, "id": 12345678901234567890123, "rate": 1e400, "pi": 3.14159265358979323846}'
    lines = ["version: 1.10", "id: 12345678901234567890123", "rate: 1e400", "pi: 3.14159265358979323846"]
    assert text_of("a.json", written) == "\n".join(lines)
    assert text_of("a.jsonl", b'{"version": 1.10}\n') == "version: 1.10"


@pytest.mark.parametrize(
    "content",
    [
        b'// Settings\n{"url": "http://a//b", /* old: 7 */ "port": 80,}',
        b'{"url": "http://a//b", "port": 80, // the end\n}',
    ],
)
def test_json_with_comments_is_read_without_them(content):
    assert text_of("a.json", content) == "url: http://a//b\nport: 80"


def test_json_of_programs_that_write_nan_is_read():
    assert text_of("a.json", b'{"mean": NaN, "most": -Infinity, "word": "NaN, or none"}') == (
        "mean: NaN\nmost: -Infinity\nword: NaN, or none"
    )


def test_json_lines_that_are_named_json_are_read():
    found = read("a.json", b'{"a": 1}\n{"a": 2}\n')
    assert [(section.text, section.metadata) for section in found.sections] == [
        ("a: 1", {"line": 1}),
        ("a: 2", {"line": 2}),
    ]


def test_yaml():
    assert text_of("a.yaml", b"port: 80\nday: 2024-12-31\n") == "port: 80\nday: 2024-12-31"
    found = read("a.yml", b"a: !Ref Bucket\n")
    assert found.sections[0].text == "a: !Ref Bucket\n"
    assert "it is not plain YAML" in found.warnings[0]


def test_yaml_has_its_words_as_they_are_written():
    assert text_of("a.yaml", b"version: 1.10\ncountry: no\nphone: 0123\nleft: ~\n") == (
        "version: 1.10\ncountry: no\nphone: 0123"
    )
    assert text_of("a.yaml", b"base: &b {port: 1, host: x}\nown:\n  <<: *b\n  port: 2\n") == (
        "base.port: 1\nbase.host: x\nown.port: 2\nown.host: x"
    )
    assert text_of("a.yaml", b"a: !!set {u, v}\n") == "a: u, v"


@pytest.mark.parametrize("text", ["fee: 1\nfee: 2\n", "a: *unknown\n", "a: [1\n"])
def test_yaml_that_would_lose_something_is_read_as_text(text):
    found = read("a.yaml", text.encode())
    assert found.sections[0].text == text
    assert "it is not plain YAML" in found.warnings[0]


def test_source_code_and_logs_know_their_line():
    code = "\n".join(f"def f{number}():\n    return {number}\n" for number in range(200))
    found = passages("a.py", read("a.py", code.encode()), "d", Ingest())
    assert len(found) > 3
    for passage in found:
        first = passage.text.split("\n\n", 1)[1].split("\n")[0]
        assert code.split("\n")[int(passage.metadata["line"]) - 1] == first
    assert read("server.log", b"one\ntwo").sections[0].metadata == {"line": 1}


BOMB = (
    b'<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(12))
    + b"]><z>&m;</z>"
)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.pptx", b"x", "is not a readable presentation"),
        ("a.pptx", archive_of({"a": "b"}), "it has no ppt/presentation.xml"),
        ("a.xlsx", b"x", "is not a readable Excel workbook"),
        ("a.xlsx", archive_of({"a": "b"}), "is not a readable Excel workbook"),
        ("a.xlsx", archive_of({"xl/a.xml": " " * 510_000_000}), "unpacks to 510000000 bytes"),
        ("a.odt", archive_of({"content.xml": "<a>"}), "is not a readable OpenDocument text"),
        ("a.odt", archive_of({"content.xml": BOMB}), "is not a readable OpenDocument text"),
        ("a.ods", b"", "is empty"),
        ("a.ods", opendocument("spreadsheet", ""), "has no text"),
        ("a.epub", archive_of({"a": "b"}), "it has no META-INF/container.xml"),
        ("a.rtf", b"plain", "is not a readable RTF document"),
        ("a.eml", b"no header at all", "is not a readable e-mail"),
        ("a.mbox", b"nothing", "is not a readable mailbox"),
        ("a.ipynb", b"{}", "is not a readable notebook"),
        ("a.xml", b"<a>", "is not readable XML"),
        ("a.xml", BOMB, "is not readable XML"),
        ("a.xml", b"<a>" * 5_000 + b"</a>" * 5_000, "is nested too deeply"),
        ("a.json", b"[" * 100_000, "is not readable JSON"),
        ("a.jsonl", b"nothing", "is not readable JSON Lines"),
        ("a.doc", b"x", "save it as .docx"),
        ("a.ppt", b"x", "save it as .pptx"),
    ],
)
def test_what_cannot_be_read_is_named(name, content, reason):
    with pytest.raises(UnreadableError) as caught:
        read(name, content)
    assert reason in str(caught.value)


def test_yaml_that_refers_to_itself_again_and_again_is_named():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(UnreadableError, match="has no end"):
        read("a.yaml", "\n".join(lines).encode())


def test_the_formats_of_an_office_are_known():
    assert {".docx", ".pptx", ".xlsx", ".odt", ".ods", ".odp", ".epub", ".rtf", ".eml", ".ipynb", ".xml", ".py"} <= set(
        KNOWN
    )


# A folder as an office has it

SOUND = {
    "plan.md": b"# Plan\n\nWe begin in May.\n",
    "note.txt": b"The key is with the porter.\n",
    "page.html": b"<title>Menu</title><p>Soup on Monday",
    "policy.docx": docx(paragraph("Hotels cost at most 140 euro.")),
    "talk.pptx": pptx(),
    "rules.odt": opendocument("text", "<t:p>No smoking.</t:p>"),
    "show.odp": opendocument(
        "presentation", "<d:page><d:frame><d:text-box><t:p>Hi</t:p></d:text-box></d:frame></d:page>"
    ),
    "sea.epub": book(first="<h1>Calm</h1><p>It was calm.</p>"),
    "letter.rtf": rb"{\rtf1\ansi Dear Ana,\par}",
    "fees.csv": b"Class,Fee\n1,10\n2,20\n",
    "parts.tsv": b"Part\tPrice\nvalve\t3\n",
    "data.json": b'{"opening": "nine"}',
    "conf.yaml": b"port: 3000\n",
    "feed.xml": b"<feed><entry>News of May</entry></feed>",
    "lab.ipynb": json.dumps({"cells": [{"cell_type": "code", "source": "print(1)", "outputs": []}]}).encode(),
    "tool.py": b"def run():\n    return 1\n",
    "server.log": b"12:00 started\n12:01 ready\n",
}
WARNED = {
    "scan.pdf": (make_pdf([line(72, 700, "Contract cover page.")], []), "Page 2 has no text"),
    "old.rst": ("Größe: fünf Meter.\n".encode("cp1252"), "windows-1252, which is a guess"),
    "offer.eml": (
        b"",
        "The attachment 'plan.png' is a '.png' file, which ORBIT does not read; the provider 'ocr' reads pictures.",
    ),
    "events.jsonl": (b'{"event": "start"}\nno json\n', "1 lines are not JSON, the first is line 2."),
}
SKIPPED = {
    "photo.jpg": (b"\xff\xd8\xff", "is a '.jpg' file, which ORBIT does not read"),
    "torn.pdf": (b"%PDF-1.4", "is not a readable PDF"),
}


async def test_every_warning_of_a_folder_is_in_the_summary(tmp_path):
    mail = message()
    mail.add_attachment(b"PNG", maintype="image", subtype="png", filename="plan.png")
    folder = tmp_path / "office"
    folder.mkdir()
    files = {**SOUND, **{name: content for name, (content, _) in (WARNED | SKIPPED).items()}, "offer.eml": bytes(mail)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert len({Path(name).suffix for name in SOUND | WARNED}) >= 20
    config: dict[str, dict[str, str]] = {"echo": {}, "wordllama": {}, "chroma": {}}
    async with host(config, tmp_path / "data") as running:
        context = CallContext("test", collection="office")
        summary = await ingest_paths(running, "office", [folder], Ingest(), context)
        found = await running.list_sources("office", context)
    assert sorted(summary.added) == sorted(found) == sorted(SOUND | WARNED)
    assert summary.failed == ()
    assert {one.source for one in summary.warnings} == set(WARNED)
    for warned in summary.warnings:
        assert WARNED[warned.source][1] in " ".join(warned.warnings)
    assert {one.source for one in summary.skipped} == set(SKIPPED)
    for skipped in summary.skipped:
        assert SKIPPED[skipped.source][1] in skipped.reason
    shown = msgspec.json.encode(summary).decode()
    assert all(name in shown for name in files)


def test_headings_alone_know_their_own_slide():
    def slides(*titles):
        ids = "".join(f'<p:sldId id="{n}" r:id="x{n}"/>' for n in range(len(titles)))
        parts = {
            f"ppt/slides/slide{n}.xml": f"<p:sld {A}>{shape(one, 'title')}</p:sld>" for n, one in enumerate(titles)
        }
        links = relations(**{f"x{n}": f"slide slides/slide{n}.xml" for n in range(len(titles))})
        main = {"ppt/presentation.xml": f"<p:presentation {A}>{ids}</p:presentation>"}
        return archive_of(main | {"ppt/_rels/presentation.xml.rels": links} | parts)

    assert [(text, data) for _, text, data in sections("a.pptx", slides("Notruf: 112", "Pförtner: 5000"))] == [
        ("Notruf: 112", {"slide": 1}),
        ("Pförtner: 5000", {"slide": 2}),
    ]


def test_a_slide_without_a_title_does_not_name_the_presentation():
    slide = {"ppt/slides/slide1.xml": f"<p:sld {A}>{shape('The fee is 10.')}</p:sld>"}
    main = {"ppt/presentation.xml": f"<p:presentation {A}/>"}
    found = read("a.pptx", archive_of(main | slide))
    assert (found.title, found.sections[0].path) == ("", ("Slide 1",))


def item(text, kind="", level=0, start=""):
    number = f'<a:buAutoNum type="{kind}" {start}/>' if kind else "<a:buNone/>"
    return f'<a:p><a:pPr lvl="{level}">{number}</a:pPr><a:r><a:t>{text}</a:t></a:r></a:p>'


def points(*values):
    return "".join(f"<c:pt idx='{at}'><c:v>{value}</c:v></c:pt>" for at, value in enumerate(values))


def series(name, *values):
    labels = points("Ost", "West")
    return f"<c:ser><c:tx><c:v>{name}</c:v></c:tx><c:cat>{labels}</c:cat><c:val>{points(*values)}</c:val></c:ser>"


CHART = (
    '<c:chartSpace xmlns:c="c" xmlns:a="a"><c:chart><c:title><a:p><a:r><a:t>Umsatz</a:t></a:r></a:p></c:title>'
    f"{series('2023', 5, 5)}{series('2024', 6, 5)}</c:chart></c:chartSpace>"
)


def test_numbers_of_lists_and_values_of_charts_on_slides():
    steps = [
        *(item("Öffnen", "arabicPeriod"), item("links", "alphaLcParenR", 1), item("rechts", "alphaLcParenR", 1)),
        *(item("Schließen", "arabicPeriod"), item("Hinweis"), item("Neu", "romanUcParenBoth", start='startAt="4"')),
    ]
    body = f"<p:sp><p:txBody>{''.join(steps)}</p:txBody></p:sp>"
    content = archive_of(
        {
            "ppt/presentation.xml": f'<p:presentation {A}><p:sldId id="1" r:id="x"/></p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(x="slide slides/slide1.xml"),
            "ppt/slides/slide1.xml": f"<p:sld {A}>{body}</p:sld>",
            "ppt/slides/_rels/slide1.xml.rels": relations(c="chart ../charts/chart1.xml"),
            "ppt/charts/chart1.xml": CHART,
        }
    )
    assert text_of("a.pptx", content) == (
        "1. Öffnen\na) links\nb) rechts\n2. Schließen\nHinweis\n(IV) Neu\n\n"
        "Umsatz\n| 2023 | 2024\nOst | 5 | 6\nWest | 5 | 5"
    )


def test_a_second_table_on_a_sheet_has_its_own_names_of_columns():
    rows = [("Art", "Preis"), ("Tee", 3), (), ("Ort", "Raum"), ("Ulm", 12), (), ("Kakao", 5)]
    found = read("a.xlsx", saved(workbook(*rows))).sections
    assert [(one.header, one.text) for one in found] == [
        ("Art | Preis", "Tee | 3"),
        ("Ort | Raum", "Ulm | 12"),
        ("Ort | Raum", "Kakao | 5"),
    ]


def test_what_lies_over_the_cells_of_a_sheet_is_read():
    from openpyxl.comments import Comment  # type: ignore[import-untyped]  # it has no types

    book = workbook(("Art", "Preis"), ("Tee", 3))
    book.active["A2"].comment = Comment("Lieferung verzögert", "Ann")
    parts = parts_of(book)
    rels = "xl/worksheets/_rels/sheet1.xml.rels"
    link = relations(box="drawing ../drawings/drawing9.xml").partition("<Relationship ")[2].partition("</")[0]
    parts[rels] = parts[rels].replace(b"</Relationships>", f"<Relationship {link}</Relationships>".encode())
    box = '<d xmlns:a="a"><txBody><a:p><a:r><a:t>Nur für Händler</a:t></a:r></a:p></txBody></d>'
    over = sections("a.xlsx", archive_of(parts | {"xl/drawings/drawing9.xml": box}))[-1]
    assert sorted(over[1].split("\n\n")) == ["Comment on A2: Lieferung verzögert", "Nur für Händler"]
    assert over[2] == {"sheet": "Costs"}


def parts_of(book):
    with zipfile.ZipFile(io.BytesIO(saved(book))) as package:
        return {name: package.read(name) for name in package.namelist()}


def with_chart(kind, part, *, alone):
    """A workbook with ``part`` on a sheet without cells, or as a sheet of its own."""
    from openpyxl.chart import BarChart  # type: ignore[import-untyped]  # it has no types

    book = workbook()
    (book.create_chartsheet("Chart") if alone else book.active).add_chart(BarChart())
    parts = parts_of(book)
    links = "xl/drawings/_rels/drawing1.xml.rels"
    parts[links] = parts[links].replace(b'relationships/chart"', f'relationships/{kind}"'.encode())
    return archive_of(parts | {"xl/charts/chart1.xml": part})


AXES = CHART.replace("</c:chart>", "<c:valAx><c:title><a:p><a:t>in Euro</a:t></a:p></c:title></c:valAx></c:chart>")
GROUPS = (
    "<c:chartSpace xmlns:c='c'><c:chart><c:ser><c:cat><c:lvl><c:pt idx='0'><c:v>Ost</c:v></c:pt><c:pt idx='1'><c:v>West"
    "</c:v></c:pt></c:lvl><c:lvl><c:pt idx='0'><c:v>2024</c:v></c:pt></c:lvl></c:cat><c:val><c:pt idx='0'><c:v>5</c:v>"
    "</c:pt><c:pt idx='1'><c:v>6</c:v></c:pt></c:val></c:ser></c:chart></c:chartSpace>"
)
NEWER = (
    "<x:chartSpace xmlns:x='x'><x:chartData><x:data id='0'><x:strDim><x:lvl><x:pt>Miete</x:pt></x:lvl></x:strDim>"
    "<x:numDim><x:lvl><x:pt idx='0'>-7</x:pt></x:lvl></x:numDim></x:data></x:chartData><x:chart><x:title><x:tx>"
    "<x:txData><x:v>Kosten</x:v></x:txData></x:tx></x:title><x:series><x:tx><x:txData><x:v>2025</x:v></x:txData></x:tx>"
    "<x:dataId val='0'/></x:series></x:chart></x:chartSpace>"
)
SMART = "<d:dataModel xmlns:d='d' xmlns:a='a'><d:t><a:p><a:t>Prüfen</a:t></a:p></d:t></d:dataModel>"
STRUCK = f"<r {A}><a:p><a:r><a:rPr strike='sngStrike'/><a:t>9 €</a:t></a:r><a:r><a:t> 7 €</a:t></a:r></a:p></r>"


@pytest.mark.parametrize(
    ("kind", "part", "text"),
    [
        ("chart", AXES, "Umsatz\nin Euro\n| 2023 | 2024\nOst | 5 | 6\nWest | 5 | 5"),
        ("chart", GROUPS, "2024 Ost | 5\n2024 West | 6"),
        ("chartEx", NEWER, "Kosten\n| 2025\nMiete | -7"),
        ("diagramData", SMART, "Prüfen"),
        ("diagramData", STRUCK, "~~9 €~~ 7 €"),
    ],
    ids=["axes", "groups", "a newer kind", "SmartArt", "struck"],
)
def test_charts_and_diagrams_are_read_in_every_program_of_office(kind, part, text):
    slide = {"ppt/slides/_rels/slide1.xml.rels": relations(c=f"{kind} chart.xml"), "ppt/slides/chart.xml": part}
    assert text_of("a.xlsx", with_chart(kind, part, alone=False)) == text
    assert text_of("a.xlsx", with_chart(kind, part, alone=True)) == text
    assert text_of("a.pptx", slide_of("", slide)) == text
    assert text_of("a.docx", docx(links={"c": f"{kind} chart.xml"}, more={"word/chart.xml": part})) == text


def test_comments_with_answers_are_read_once():
    old = "<comments><commentList><comment ref='B2'><text><r><t>[Threaded comment] Late?</t></r></text></comment>"
    old += "<comment ref='C3'><text><t>Gross</t></text></comment></commentList></comments>"
    new = "".join(
        f"<threadedComment ref='B2'><text>{text}</text></threadedComment>" for text in ("Late?", "By a week.")
    )
    parts = parts_of(workbook()) | {
        "xl/old.xml": old,
        "xl/new.xml": f"<ThreadedComments>{new}</ThreadedComments>",
        "xl/worksheets/_rels/sheet1.xml.rels": relations(o="comments ../old.xml", n="threadedComment ../new.xml"),
    }
    assert text_of("a.xlsx", archive_of(parts)).split("\n\n") == [
        *("Comment on C3: Gross", "Comment on B2: Late?", "Comment on B2: By a week."),
    ]
    modern = f"<c><cm><txBody {A}><a:p><a:t>Slower</a:t></a:p></txBody></cm><cm><text>Bigger</text></cm></c>"
    links = {"ppt/slides/_rels/slide1.xml.rels": relations(c="comments c.xml"), "ppt/slides/c.xml": modern}
    assert text_of("a.pptx", slide_of("", links)) == "Comment: Slower\n\nComment: Bigger"


BOX = "<d:custom-shape><t:p>Hotline 0800</t:p></d:custom-shape>"
REMARK = '<o:annotation><dc:creator xmlns:dc="dc">Ann</dc:creator><t:p>Ask sales.</t:p></o:annotation>'
OBJECT = '<d:frame><d:object xmlns:x="x" x:href="./Object 1"/></d:frame>'
ROW = "<b:table-row><b:table-cell><t:p>{}</t:p></b:table-cell></b:table-row>"
OBJECT_PART = (
    f'<o:document {ODF} xmlns:c="urn:oasis:names:tc:opendocument:xmlns:chart:1.0"><o:body><o:chart><c:chart>'
    f"<c:title><t:p>Umsatz</t:p></c:title><b:table>{ROW.format('2025')}{ROW.format('7')}</b:table></c:chart></o:chart></o:body>"
    "</o:document>"
)
CELLS = (
    "<b:table-row><b:table-cell b:number-columns-repeated='27'/><b:table-cell>{}<t:p>Tee</t:p></b:table-cell>"
    "</b:table-row>"
)


@pytest.mark.parametrize(
    ("name", "kind", "body", "text"),
    [
        ("a.odt", "text", f"<t:p>Be{BOX}fore</t:p>", "Before\n\nHotline 0800"),
        ("a.odt", "text", f"<t:p>Price{REMARK}.</t:p>", "Price.\n\nComment by Ann: Ask sales."),
        ("a.odt", "text", f"<t:p>See{OBJECT}</t:p>", "See\n\nUmsatz\n2025\n7"),
        ("a.odp", "presentation", f"<d:page>{REMARK}</d:page>", "Comment by Ann: Ask sales."),
        ("a.odp", "presentation", f"<d:page><d:g>{BOX}</d:g></d:page>", "Hotline 0800"),
        ("a.odp", "presentation", f"<d:page>{OBJECT}</d:page>", "Umsatz\n2025\n7"),
        ("a.ods", "spreadsheet", f"<b:table><b:shapes><d:g>{BOX}</d:g></b:shapes></b:table>", "Hotline 0800"),
        ("a.ods", "spreadsheet", f"<b:table>{CELLS.format(BOX)}</b:table>", "Tee\nHotline 0800"),
        ("a.ods", "spreadsheet", f"<b:table>{CELLS.format(REMARK)}</b:table>", "Tee\nComment on AB1: Ask sales."),
        ("a.ods", "spreadsheet", f"<b:table><b:shapes>{OBJECT}</b:shapes></b:table>", "Umsatz\n2025\n7"),
    ],
)
def test_drawings_charts_and_comments_of_opendocument(name, kind, body, text):
    assert text_of(name, opendocument(kind, body, more={"Object 1/content.xml": OBJECT_PART})) == text


def test_struck_hidden_and_numbered_text_of_opendocument():
    styles = (
        '<s:style s:name="a" s:family="text"><s:text-properties s:text-line-through-style="solid"/></s:style>'
        '<s:style s:name="b" s:family="text"><s:text-properties t:display="none"/></s:style>'
    ) + list_style("L", ("1", "", ".", 1))
    span = '<t:span t:style-name="{}">{}</t:span>'
    items = '<t:list t:style-name="L"><t:list-item><t:p>Öl</t:p></t:list-item></t:list>'
    body = f"<t:p>{span.format('a', '9')}{span.format('a', ' €')}{span.format('b', 'geheim')} 7 €</t:p>"
    body += f"<b:table><b:table-row><b:table-cell>{items}</b:table-cell><b:table-cell/></b:table-row></b:table>"
    content = opendocument("text", body, f'<x xmlns:s="s">{styles}</x>')
    assert text_of("a.odt", content) == "~~9 €~~ 7 €\n\n1. Öl"


def test_struck_cells_are_marked():
    from openpyxl.styles import Font  # type: ignore[import-untyped]  # it has no types

    book = workbook(("Art", "Preis"), ("Tee", 9), ("Tee", 7))
    book.active["B2"].font = Font(strike=True)
    assert text_of("a.xlsx", saved(book)).endswith("Tee | ~~9~~\nTee | 7")
    style = '<s:style s:name="a" s:family="table-cell"><s:text-properties s:text-line-through-style="solid"/></s:style>'
    row = "<b:table-row><b:table-cell b:style-name='{}'><t:p>{}</t:p></b:table-cell></b:table-row>"
    body = f"<b:table>{row.format('', 'Preis')}{row.format('a', '9')}{row.format('b', '7')}</b:table>"
    assert text_of("a.ods", opendocument("spreadsheet", body, f"<x xmlns:s='s'>{style}</x>")) == "Preis\n~~9~~\n7"


def test_struck_text_and_comments_of_rtf():
    comment = "{\\*\\atnid A}{\\*\\atnauthor Ann}{\\*\\annotation{\\*\\atnref 1}\\pard Ask sales.}"
    text = text_of("a.rtf", f"{{\\rtf1 {{\\strike 9}}{{\\strike  euro}} 7 euro{comment}.\\par}}".encode())
    assert text == "~~9 euro~~ 7 euro.\n\nComment by Ann: Ask sales."


def test_letters_outside_ascii_in_headers_and_bodies_that_name_no_encoding():
    content = "From: Jörg Müller <j@example.com>\r\nSubject: Grüße aus Köln\r\n\r\nDer Preis ist 5 € für Müller.\r\n"
    for encoding in ("cp1252", "utf-8"):
        found = read("a.eml", content.encode(encoding))
        assert found.title == "Grüße aus Köln"
        assert "From: Jörg Müller <j@example.com>" in found.sections[0].text
        assert found.sections[0].text.endswith("Der Preis ist 5 € für Müller.")
        assert bool(found.warnings) == (encoding == "cp1252")


def test_a_plain_text_that_only_refers_to_the_page_gives_way_to_it():
    mail = message("Offre", "Ce message est en HTML.")
    mail.add_alternative("<p>Le prix est de 5 €.</p><ol><li>payer<li>signer</ol>", subtype="html")
    assert "Le prix est de 5 €." in text_of("a.eml", bytes(mail))
    same = message("Offre", "Le prix est de 5 €.")
    same.add_alternative("<p>Le prix est de <b>5 €</b>.</p>", subtype="html")
    assert text_of("a.eml", bytes(same)).endswith("Le prix est de 5 €.")


def test_notebooks_of_old_versions_and_outputs_that_are_no_text():
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"], "outputs": []}]}]}
    assert sections("a.ipynb", json.dumps(old).encode()) == [((), "x = 1", {"cell": 1})]
    outputs = [
        {"data": {"text/html": "<table><tr><td>Ost<td>5<tr><td>West<td>6</table>"}},
        {"ename": "ValueError", "evalue": "zu groß", "traceback": []},
    ]
    cells = {"cells": [{"cell_type": "code", "source": "", "outputs": outputs}]}
    assert sections("a.ipynb", json.dumps(cells).encode()) == [
        ((), "Output:\nOst | 5\nWest | 6\nValueError: zu groß", {"cell": 1})
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "iVBOR"}, ""),
        ({"text/plain": "[<matplotlib.lines.Line2D at 0x7f>, <x.Y at 0x8>]"}, ""),
        ({"text/plain": ["<IPython.core.display.Markdown object>"], "text/markdown": ["Ost: 5"]}, "\nOutput:\nOst: 5"),
        ({"text/plain": "<5 kg>"}, "\nOutput:\n<5 kg>"),
    ],
)
def test_objects_without_text_of_their_own_print_nothing(data, text):
    cell = {"cell_type": "code", "source": "show()", "outputs": [{"data": data}]}
    empty = {"cell_type": "code", "source": None, "outputs": None}
    assert text_of("a.ipynb", json.dumps({"cells": [empty, cell]}).encode()) == f"show(){text}"


def test_xml_that_names_no_encoding_and_is_not_utf_8():
    found = read("a.xml", "<a><b>Größe für Müller</b></a>".encode("cp1252"))
    assert found.sections[0].text == "b: Größe für Müller"
    assert "windows-1252, which is a guess" in found.warnings[0]
    for encoding in ("utf-16", "utf-8-sig"):
        assert text_of("a.xml", "<a><b>Größe</b></a>".encode(encoding)) == "b: Größe"


def list_style(name, *levels):
    """A style of lists: for each level its form, prefix, suffix and the number of levels shown."""
    inner = "".join(
        f'<t:list-level-style-number t:level="{at}" s:num-format="{form}" s:num-prefix="{before}"'
        f' s:num-suffix="{after}" t:display-levels="{shown}"/>'
        for at, (form, before, after, shown) in enumerate(levels, start=1)
    )
    return f'<t:list-style s:name="{name}">{inner}</t:list-style>'


def test_opendocument_numbers_lists_and_headings_and_names_its_title():
    styles = list_style("L", ("1", "", ".", 1), ("a", "", ")", 2)) + list_style("R", ("I", "(", ")", 1))
    styles += '<s:style s:name="P9" s:family="paragraph" s:parent-style-name="Title"/>'
    styles += '<s:style s:name="P2" s:family="paragraph" s:list-style-name="R"/>'
    styles += (
        '<t:outline-style><t:outline-level-style t:level="1" s:num-format="1" s:num-suffix="."/></t:outline-style>'
    )

    def items(*texts, more=""):
        return "".join(f"<t:list-item{more}><t:p t:style-name='P2'>{text}</t:p></t:list-item>" for text in texts)

    deeper = f"<t:list-item><t:p>Wärme</t:p><t:list>{items('Öl', 'Gas')}</t:list></t:list-item>"
    body = (
        '<t:p t:style-name="P9">Nebenkosten</t:p><t:h t:outline-level="1">Umfang</t:h>'
        f'<t:list x:id="l1" t:style-name="L">{items("Wasser")}{deeper}</t:list>'
        f"<t:list>{items('erstens', 'zweitens')}</t:list>"
        f'<t:list t:continue-list="l1" t:style-name="L">{items("Müll")}</t:list>'
        f'<t:list t:style-name="L">{items("neu", more=" t:start-value=" + repr("5"))}</t:list>'
        '<t:h t:outline-level="1">Fristen</t:h><t:p>Ein Jahr<t:page-number>7</t:page-number></t:p>'
    )
    xml = f'xmlns:s="s" xmlns:x="x" {ODF}'
    content = archive_of(
        {
            "content.xml": f"<o:d {xml}><o:styles>{styles}</o:styles><o:body><o:text>{body}</o:text></o:body></o:d>",
            "styles.xml": f"<o:styles {xml}><s:footer-first><t:p>Stand Mai</t:p></s:footer-first><s:footer><t:p>12"
            "</t:p></s:footer></o:styles>",
        }
    )
    found = read("a.odt", content)
    assert found.title == "Nebenkosten"
    first, second, margin = found.sections
    assert first.path == ("1. Umfang",)
    assert [line.strip() for line in first.text.split("\n\n")] == [
        *("1. Wasser", "2. Wärme", "2.a) Öl", "2.b) Gas", "(I) erstens", "(II) zweitens", "3. Müll", "5. neu"),
    ]
    assert (second.path, second.text, margin.text) == (("2. Fristen",), "Ein Jahr", "Stand Mai")


def test_pages_that_browsers_save_as_one_file():
    page = message("Öffnungszeiten", "x")
    page.set_content("<h1>Öffnungszeiten</h1><p>Montag bis Freitag</p>", subtype="html", charset="iso-8859-1")
    page.add_related(b"PNG", maintype="image", subtype="png", cid="<a>")
    assert sections("a.mht", bytes(page)) == [(("Öffnungszeiten",), "Montag bis Freitag", {})]
    with pytest.raises(UnreadableError, match="is not a readable web archive"):
        read("a.mhtml", b"nothing")


PARTS = {
    "text above and below a nameless attachment": (
        "multipart/mixed",
        (
            "Content-Type: text/plain\n\nAbove.",
            "Content-Type: text/csv\nContent-Disposition: attachment\n\nTea,3\nMilk,2",
            "Content-Type: text/plain\n\nBelow the table: 7 euros.",
        ),
        [((), "Above."), ((), "Below the table: 7 euros."), (("attachment 1.csv",), "Tea: Milk\n3: 2")],
    ),
    "a report of a mail server": (
        "multipart/report",
        (
            "Content-Type: text/plain\n\nIt failed.",
            "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nAction: failed\nStatus: 5.1.1",
            "Content-Type: text/rfc822-headers\n\nSubject: Invoice 7",
        ),
        [
            ((), "It failed."),
            ((), "Reporting-MTA: dns; mx\n\nAction: failed\nStatus: 5.1.1"),
            ((), "Subject: Invoice 7"),
        ],
    ),
    "a message in Base64": (
        "multipart/mixed",
        (
            "Content-Type: text/plain\n\nSee below.",
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
            + base64.b64encode(b"From: b@x.example\nSubject: Inner\n\nTea costs 3 euros.").decode(),
        ),
        [((), "See below."), (("Inner.eml",), "From: b@x.example\nSubject: Inner\n\nTea costs 3 euros.")],
    ),
    "an attachment within one form of the text": (
        "multipart/alternative",
        (
            "Content-Type: text/plain\n\nFirst part. Last part.",
            (
                "Content-Type: multipart/mixed; boundary=in\n\n--in\nContent-Type: text/html\n\n<p>First part.</p>\n"
                "--in\n"
                "Content-Disposition: attachment; filename=plan.txt\n\nThe plan.\n"
                "--in\nContent-Type: text/html\n\n<p>Last part.</p>\n--in--"
            ),
        ),
        [((), "First part. Last part."), (("plan.txt",), "The plan.")],
    ),
}


@pytest.mark.parametrize("name", PARTS)
def test_every_part_of_a_mail_is_read_once(name):
    kind, parts, expected = PARTS[name]
    body = "".join(f"--out\n{part}\n" for part in parts)
    head = f"From: a@x.example\nMIME-Version: 1.0\nContent-Type: {kind}; boundary=out\n\n"
    found = read("a.eml", f"{head}{body}--out--\n".encode())
    assert [(one.path, one.text.removeprefix("From: a@x.example\n\n")) for one in found.sections] == expected


def test_a_mail_that_is_an_attachment_alone_or_in_utf_16_is_read():
    mail = (
        "From: a@x.example\nContent-Type: text/csv\nContent-Disposition: attachment; filename=a.csv\n\nTea,3\nMilk,2\n"
    )
    assert "Tea" in text_of("a.eml", mail.encode())
    assert text_of("a.eml", "From: a@x.example\n\nTea costs 3 €.".encode("utf-16")).endswith("Tea costs 3 €.")


@pytest.mark.parametrize(
    "mail", ["\n\n{}\n\n{}", "{}\nContent-Type: multipart/mixed\n\n{}"], ids=["blank lines", "no boundary"]
)
def test_mails_that_break_the_rules_keep_their_text(mail):
    text = text_of("a.eml", mail.format("From: a@x.example\nSubject: Tea", "Tea costs 3 euros.").encode())
    assert text.split() == ["From:", "a@x.example", "Subject:", "Tea", "Tea", "costs", "3", "euros."]


@pytest.mark.parametrize("header", ["From: a@", "Cc: Tom <tom@x.example>, Alice <", "To: Ann <ann@[x.example>"])
def test_a_header_that_python_cannot_parse_costs_no_mail(header):
    found = text_of("a.eml", f"{header}\nSubject: Tea\n\nTea costs 3 euros.".encode())
    assert found.endswith("Subject: Tea\n\nTea costs 3 euros.")
    assert " ".join(header.split()) in found


PLAN = "Plan: the pump feeds tank 7"
SVG = 'xmlns:s="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"'
FRAME = f"<d:frame {SVG}><s:title>image.png</s:title><s:desc>{PLAN}</s:desc></d:frame>"
PICTURE = f'<p:pic><p:nvPicPr><p:cNvPr id="1" name="Picture 1" descr="{PLAN}"/></p:nvPicPr></p:pic>'
INLINE = f'<w:p><w:r><w:drawing><inline><docPr id="1" descr="{PLAN}"/></inline></w:drawing></w:r></w:p>'


def slide_of(body, more=None):
    return archive_of(
        {
            **(more or {}),
            "ppt/presentation.xml": f'<p:presentation {A}><p:sldId r:id="x"/></p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(x="slide slides/slide1.xml"),
            "ppt/slides/slide1.xml": f"<p:sld {A}>{body}</p:sld>",
        }
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", f'<p><img alt="{PLAN}">'),
        ("a.html", f'<h1>Plant</h1><table><tr><td>1<td><img alt="{PLAN}"></table>'),
        ("a.html", f'<p>A form:<input type="image" alt="{PLAN}">'),
        ("a.md", f"See ![{PLAN}](plan.png)."),
        ("a.md", f'<img src="plan.png" alt="{PLAN}">'),
        ("a.md", f'See the <img src="plan.png"\nalt="{PLAN}"> below.'),
        ("a.md", f"| A | B |\n|---|---|\n| 1 | <IMG alt='{PLAN}'/> |"),
        ("a.ipynb", json.dumps({"cells": [{"cell_type": "markdown", "source": f'See <img alt="{PLAN}">.'}]})),
        ("a.eml", f'From: a@b.c\nContent-Type: text/html\n\n<p>Hi <img alt="{PLAN}">'),
        ("a.docx", docx(INLINE)),
        ("a.docx", docx(f"<w:tbl><w:tr><w:tc>{INLINE}</w:tc><w:tc>{paragraph('x')}</w:tc></w:tr></w:tbl>")),
        ("a.docx", docx(f'<w:p><w:r><w:pict><shape alt="{PLAN}"/></w:pict></w:r></w:p>')),
        ("a.pptx", slide_of(f"<p:grpSp>{PICTURE}</p:grpSp>")),
        ("a.odt", opendocument("text", f"<t:p>Before{FRAME}after</t:p>")),
        ("a.odp", opendocument("presentation", f"<d:page>{FRAME}</d:page>")),
        ("a.rtf", f"{{\\rtf1 {{\\pict{{\\*\\picprop{{\\sp{{\\sn wzDescription}}{{\\sv {PLAN}}}}}}} 89}}\\par}}"),
        ("a.rtf", f"{{\\rtf1 {{\\shp{{\\*\\shpinst{{\\sp{{\\sn wzDescription}}{{\\sv {PLAN}}}}}}}}}\\par}}"),
    ],
)
def test_what_a_picture_shows_is_text_where_it_is(name, content):
    text = text_of(name, content if isinstance(content, bytes) else content.encode())
    assert text.count(PLAN) == 1
    assert "image.png" not in text
    assert "89" not in text


@pytest.mark.parametrize("alt", ["", "image 5", "plan.svg", "C:\\plan.png", "Logo", "https://a.b/c", "The plan"])
def test_a_text_that_does_not_say_what_a_picture_shows_is_left_out(alt):
    page = f'<figure><a><img alt="{alt}"></a><figcaption>The plan of 2026</figcaption></figure>'
    assert text_of("a.html", page.encode()) == "The plan of 2026"


def test_texts_beside_the_page_of_a_mail_are_read() -> None:
    message = EmailMessage()
    message["From"], message["Subject"] = "ann@example.org", "Bestellung"
    message.make_mixed()
    for kind, text, name in (
        ("html", "<p>Guten Tag", ""),
        ("plain", "Wir brauchen 55 Rohre.", "n.txt"),
        ("plain", "Fuß", ""),
    ):
        part = EmailMessage()
        part.set_content(text, subtype=kind)
        if name:
            part.add_header("Content-Disposition", "inline", filename=name)
        message.attach(part)
    found = [
        (section.path, (section.text.partition("\n\n")[2] or section.text).strip())
        for section in read("m.eml", bytes(message)).sections
    ]
    assert found == [((), "Guten Tag"), ((), "Fuß"), (("n.txt",), "Wir brauchen 55 Rohre.")]


def test_a_table_in_a_mail_keeps_its_rows() -> None:
    message = EmailMessage()
    message["From"] = "ann@example.org"
    message.set_content("Artikel\n\nPreis\n\nStift\n\n3 EUR\n")
    message.add_alternative("<table><tr><th>Artikel<th>Preis<tr><td>Stift<td>3 EUR</table>", subtype="html")
    assert "Artikel | Preis\nStift | 3 EUR" in read("m.eml", bytes(message)).sections[0].text


def test_frames_of_a_saved_page_are_read() -> None:
    page = EmailMessage()
    page.set_content("<title>Hilfe</title><p>Inhalt<iframe src='cid:f@mhtml.blink'></iframe>", subtype="html")
    page.make_mixed()
    frame = EmailMessage()
    frame.set_content("<p>Öl alle 14 Tage wechseln", subtype="html")
    page.attach(frame)
    found = read("a.mhtml", bytes(page))
    assert (found.title, [section.text for section in found.sections]) == (
        "Hilfe",
        ["Inhalt", "Öl alle 14 Tage wechseln"],
    )


def test_text_cut_within_a_character_costs_that_character() -> None:
    record = r'{"title": "Grüße \ud83d", "text": "\ude00 \ud83d\ude00 vier"}'
    assert "Grüße \ufffd" in text_of("a.json", record.encode())
    assert "\ufffd 😀 vier" in text_of("a.jsonl", f"{record}\n{record}".encode())
