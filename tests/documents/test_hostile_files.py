"""Hostile files of every format: each is read right or refused by name within its limits, and the server goes on.

Most are small files that ask for much: parts that name each other, cells that repeat, marks that never close. A reader
whose time grows with the square of such a file meets the deadline, and the row then has another outcome.
"""

# ruff: noqa: PLW0108  # files are built when their test runs, not when it is collected

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from office_kit import OFFICE, W, archive_of, docx, paragraph, relations
from pdf_kit import field, line, make_pdf, written
from serve_kit import served

from orbit.config.model import Ingest
from orbit.documents.file_types import KNOWN
from orbit.documents.reading.pool import Reading
from orbit.documents.sections import UnreadableError

A = 'xmlns:a="a" xmlns:p="p" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
ODF = 'xmlns:o="o" xmlns:t="t" xmlns:b="b" xmlns:d="d"'
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LIMITS = Ingest(readers=1, read_timeout=60.0, read_memory=1_000_000_000)
TOO_MANY_CELLS = "has a table of more than 20,000,000 cells"

Build = Callable[[], bytes]


def word(body: str, links: str = "", **parts: str) -> bytes:
    document = f'<w:document {W} xmlns:r="{OFFICE}"><w:body>{body}</w:body></w:document>'
    more = {f"word/{name.replace('_', '.')}": text for name, text in parts.items()}
    return archive_of({"word/document.xml": document, "word/_rels/document.xml.rels": links or relations(), **more})


def slides(order: str, slide: str, links: str = "", **parts: str) -> bytes:
    return archive_of(
        {
            "ppt/presentation.xml": f"<p:presentation {A}>{order}</p:presentation>",
            "ppt/_rels/presentation.xml.rels": relations(x="slide slides/slide1.xml"),
            "ppt/slides/slide1.xml": f"<p:sld {A}>{slide}</p:sld>",
            "ppt/slides/_rels/slide1.xml.rels": links or relations(),
            **{f"ppt/slides/{name}.xml": text for name, text in parts.items()},
        }
    )


def shape(text: str) -> str:
    return f"<p:sp><p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"


def workbook(rows: str, sheets: int = 1) -> bytes:
    names = "".join(f'<sheet name="S{number}" sheetId="{number + 1}" r:id="s"/>' for number in range(sheets))
    kinds = {"xl/workbook.xml": "sheet.main", "xl/s.xml": "worksheet"}
    office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    types = "".join(f'<Override PartName="/{part}" ContentType="{office}.{kind}+xml"/>' for part, kind in kinds.items())
    return archive_of(
        {
            "[Content_Types].xml": "<Types xmlns='http://schemas.openxmlformats.org/package/2006/content-types'>"
            f"<Default Extension='rels' ContentType='application/vnd.openxmlformats-package.relationships+xml'/>{types}"
            "</Types>",
            "_rels/.rels": relations(w="officeDocument xl/workbook.xml"),
            "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(s="worksheet s.xml"),
            "xl/s.xml": f'<worksheet xmlns="{SHEET}"><sheetData>{rows}</sheetData></worksheet>',
        }
    )


def open_document(kind: str, body: str) -> bytes:
    content = f"<o:document-content {ODF}><o:body><o:{kind}>{body}</o:{kind}></o:body></o:document-content>"
    return archive_of({"content.xml": content})


def sheet(row: str, times: int) -> bytes:
    return open_document("spreadsheet", f"<b:table b:name='x'>{row * times}</b:table>")


def book(chapter: str, places: int = 1) -> bytes:
    order = '<itemref idref="c"/>' * places
    return archive_of(
        {
            "META-INF/container.xml": '<c><rootfile full-path="b.opf"/></c>',
            "b.opf": f'<package><manifest><item id="c" href="c"/></manifest><spine>{order}</spine></package>',
            "c": chapter,
        }
    )


def mail(headers: str = "", body: str = "\nhello") -> bytes:
    return f"From: a@b.c\nSubject: Offer\nMIME-Version: 1.0\n{headers}{body}".encode()


def parts(kind: str, part: str, times: int) -> bytes:
    return mail(f"Content-Type: multipart/{kind}; boundary=b\n", f"\n{part * times}--b--\n")


def page(draws: bytes, shared: bytes = b"null") -> bytes:
    packed = zlib.compress(draws, 9)
    resources = b"<< /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >>"
    return written(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources %s >>" % resources,
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            shared,
        ]
    )


HELLO = b"BT /F1 10 Tf 72 700 Td (hello) Tj ET\n"
ITSELF = (
    b"<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 6 0 R >> >> /Length 11 >>\nstream\n"
)
REPEATED = '<b:table-row b:number-rows-repeated="1000"><b:table-cell b:number-columns-repeated="1000">{}</b:table-cell>'
YAML = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
LAUGHS = "<!DOCTYPE a [<!ENTITY l0 'ha'>{}]><a>&l11;</a>".format(
    "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
)

HOSTILE: dict[str, tuple[str, Build, str]] = {
    # name: extension, content, what is said about it or, after "=", what is read of it
    "csv of quotation marks": (".csv", lambda: b'"' * 2_000_000, "without rows"),
    "csv of open cells": (".csv", lambda: b"a,b\n" + b'x,"y\n' * 100_000 + b"end,hello\n", "=hello"),
    "csv of one open cell": (".csv", lambda: b'a,b\n"' + b"x,hello\n" * 100_000, "=hello"),
    "csv of empty cells": (".csv", lambda: b"a,b\n" + (b"," * 100 + b"\n") * 20_000 + b"1,hello\n", "=hello"),
    "csv of long names": (
        ".csv",
        lambda: (",".join(f"{n}{'x' * 500}" for n in range(2_000)) + "\n" + f"{'1,' * 2_000}\n" * 2_000).encode(),
        "needs more than 1,000,000,000 bytes",
    ),
    "srt of open marks": (
        ".srt",
        lambda: (
            "".join(mark * 200_000 for mark in ("<v a", "<v.", "<rt>", "{\\", "</", "&", "0:"))
            + "<v"
            + " " * 200_000
            + "\n\n1\n00:00:01,000 --> 00:00:02,000\nhello\n"
        ).encode(),
        "=hello",
    ),
    "properties of numbers": (
        ".properties",
        lambda: b"a=" + b"\\u00e4" * 300_000 + b"\\" * 300_001 + b"\nb=hello\n",
        "=hello",
    ),
    "tsv of marks": (".tsv", lambda: b"\t" * 2_000_000 + b"\na\thello\nb\tc", "=hello"),
    "docx of paragraphs": (".docx", lambda: word("<w:p/>" * 1_000_000 + paragraph("hello")), "=hello"),
    "docx nested": (".docx", lambda: word("<w:p>" * 50_000 + "</w:p>" * 50_000), "is nested too deeply"),
    "docx of headers": (
        ".docx",
        lambda: word(
            paragraph("hello"),
            relations(**{f"r{n}": "header h.xml" for n in range(20_000)}),
            h_xml=f"<w:hdr {W}>{paragraph('above') * 2_000}</w:hdr>",
        ),
        "=hello",
    ),
    "docx of one inserted page": (
        ".docx",
        lambda: word('<w:altChunk r:id="c"/>' * 20_000, relations(c="aFChunk c.html"), c_html="<p>hello" * 2_000),
        "=hello",
    ),
    "docx of a note in itself": (
        ".docx",
        lambda: docx(
            '<w:p><w:r><w:t>hello</w:t><w:footnoteReference w:id="1"/></w:r></w:p>' * 20_000,
            more={
                "word/footnotes.xml": f'<w:footnotes {W}><w:footnote w:id="1"><w:p><w:r>'
                '<w:footnoteReference w:id="1"/></w:r></w:p></w:footnote></w:footnotes>'
            },
        ),
        "=hello",
    ),
    "docx bomb": (".docx", lambda: archive_of({"word/document.xml": " " * 100_000_000}), "which is too much to read"),
    "docx of entities": (".docx", lambda: archive_of({"word/document.xml": LAUGHS}), "is not a readable Word document"),
    "docx that lies about its size": (
        ".docx",
        lambda: archive_of({"word/document.xml": " " * 40_000_000}).replace(
            (40_000_000).to_bytes(4, "little"), (9).to_bytes(4, "little")
        ),
        "is not a readable Word document",
    ),
    "pptx of one slide": (".pptx", lambda: slides('<p:sldId r:id="x"/>' * 20_000, shape("hello") * 1_000), "=hello"),
    "pptx of notes": (
        ".pptx",
        lambda: slides(
            '<p:sldId r:id="x"/>',
            shape("hello"),
            relations(**{f"r{n}": "notesSlide n.xml" for n in range(20_000)}),
            n=f"<p:notes {A}>{shape('note') * 1_000}</p:notes>",
        ),
        "=hello",
    ),
    "pptx nested": (".pptx", lambda: slides('<p:sldId r:id="x"/>', "<p:g>" * 50_000 + "</p:g>" * 50_000), "too deeply"),
    "xlsx with a far row": (
        ".xlsx",
        lambda: workbook('<row r="999999999"><c r="A999999999"><v>2</v></c></row>'),
        "has no text",
    ),
    "xlsx with far columns": (
        ".xlsx",
        lambda: workbook("".join(f'<row r="{n}"><c r="XFD{n}"><v>2</v></c></row>' for n in range(1, 5_000))),
        TOO_MANY_CELLS,
    ),
    "xlsx of one sheet": (
        ".xlsx",
        lambda: workbook('<row><c t="inlineStr"><is><t>hello</t></is></c></row>' * 1_000, sheets=5_000),
        "several names of one sheet",
    ),
    "ods that repeats": (
        ".ods",
        lambda: sheet(REPEATED.format("<t:p>x</t:p>") + "</b:table-row>", 100),
        TOO_MANY_CELLS,
    ),
    "ods of empty rows": (".ods", lambda: sheet(REPEATED.format("") + "</b:table-row>", 20_000), TOO_MANY_CELLS),
    "odt nested": (".odt", lambda: open_document("text", "<t:s>" * 50_000 + "</t:s>" * 50_000), "is nested too deeply"),
    "odt that repeats": (
        ".odt",
        lambda: open_document("text", f"<b:table>{(REPEATED.format('') + '</b:table-row>') * 2_500}</b:table>"),
        TOO_MANY_CELLS,
    ),
    "odp of slides": (
        ".odp",
        lambda: open_document(
            "presentation", "<d:page/>" * 50_000 + "<d:page><d:frame><t:p>hello</t:p></d:frame></d:page>"
        ),
        "=hello",
    ),
    "epub of one chapter": (".epub", lambda: book("<p>hello" * 10_000, 100_000), "=hello"),
    "rtf of groups": (".rtf", lambda: rb"{\rtf1 " + b"{" * 1_000_000, "is nested too deeply"),
    "rtf of cells": (".rtf", lambda: rb"{\rtf1 \trowd" + rb" a\cell" * 100_000 + rb"\row hello\par}", "=hello"),
    "rtf of bytes": (".rtf", lambda: rb"{\rtf1 hello\par" + rb"{\bin9999999999 x}" * 100_000, "=hello"),
    "eml of parts": (".eml", lambda: parts("mixed", "--b\n\nhello\n", 10_500), "=Only 10,000 of its"),
    "eml of forms": (
        ".eml",
        lambda: (
            "".join(parts("alternative", "", 0).decode())
            .replace("--b--", "".join(f"--b\nContent-Type: text/plain\n\nhello w{n}\n" for n in range(5_000)))
            .encode()
        ),
        "=hello w4999",
    ),
    "eml nested": (
        ".eml",
        lambda: mail("".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(5_000))),
        "is nested too deeply",
    ),
    "eml to everybody": (".eml", lambda: mail(f"To: {'a@b.c, ' * 100_000}\n"), "=hello"),
    "eml of quotation marks": (".eml", lambda: mail("To: " + '"' * 100_001 + "\n"), "=hello"),
    "eml of encoded words": (".eml", lambda: mail(f"X: y\nTo: {'=?utf-8?q?hell=C3=B6?= ' * 20_000}\n"), "=hellö"),
    "eml of parameters": (".eml", lambda: mail(f"Content-Type: text/plain{'; a=b' * 100_000}\n"), "=hello"),
    "eml with a long subject": (".eml", lambda: b"Subject: " + b"a\n b" * 100_000 + b"\n\nhello", "=hello"),
    "mbox of messages": (".mbox", lambda: b"From a\nSubject: x\n\nhello\n" * 10_000, "=hello"),
    "mht of pages": (".mht", lambda: parts("related", "--b\nContent-Type: text/html\n\n<p>hello\n", 10_000), "=hello"),
    "xml nested": (".xml", lambda: b"<a>" * 1_000_000, "is nested too deeply"),
    "xml of mixed text": (".xml", lambda: b"<r>hello" + b"<b>x</b>y" * 300_000 + b"</r>", "=hello"),
    "xml of mixed text, nested": (
        ".xml",
        lambda: b"<r>hello" + (b"a" * 5_000 + b"<b>") * 1_900 + b"x" + b"</b>" * 1_900 + b"</r>",
        "=hello",
    ),
    "xml of entities": (".xml", LAUGHS.encode, "is not readable XML"),
    "json nested": (".json", lambda: b"[" * 1_000_000, "is not readable JSON"),
    "json with a long name": (
        ".json",
        lambda: f'{{"{"k" * 100_000}": {json.dumps({f"k{n}": "hello" for n in range(20_000)})}}}'.encode(),
        "=hello",
    ),
    "jsonl of nothing": (".jsonl", lambda: b"x\n" * 1_000_000, "no line is JSON"),
    "yaml nested": (".yaml", lambda: b"[" * 100_000, "is nested too deeply"),
    "yaml that refers to itself": (".yaml", YAML.encode, "has no end"),
    "html nested": (".html", lambda: b"<div>" * 1_000_000 + b"hello", "=hello"),
    "html of tables": (".html", lambda: b"<table><tr><td>" * 50_000 + b"hello", "=hello"),
    "html of spans": (
        ".html",
        lambda: b"<p>hello<table><tr>" + b"<td rowspan=65534 colspan=1000>x" * 500 + b"<tr><td>y" * 2_000,
        "=hello",
    ),
    "html of marks": (".html", lambda: b"<" * 2_000_000 + b"p>hello", "=hello"),
    "markdown of quotations": (".md", lambda: b">" * 100_000 + b" hello", "=hello"),
    "markdown of links": (".md", lambda: b"[a](b" * 50_000 + b" hello", "=hello"),
    "markdown of emphasis": (".md", lambda: b"*a **b " * 50_000 + b"hello", "=hello"),
    "markdown with a hostile head": (".md", lambda: f"---\n{YAML}---\n# hello\n\nyou".encode(), "=hello"),
    "notebook of cells": (
        ".ipynb",
        lambda: json.dumps({"cells": [{"cell_type": "code", "source": "hello"}] * 50_000}).encode(),
        "=hello",
    ),
    "text of one word": (".txt", lambda: b"x" * 4_000_000 + b" hello", "=hello"),
    "text of marks on a letter": (".txt", lambda: ("hello a" + "\u0301\u0323" * 200_000).encode(), "=hello"),
    "text of noise": (".txt", lambda: bytes(range(256)) * 10_000, "is binary, not text"),
    "log of lines": (".log", lambda: b"\n" * 4_000_000 + b"hello", "=hello"),
    "calendar of entries": (".ics", lambda: b"BEGIN:VEVENT\n" * 20_000 + b"\n " * 100_000 + b"hello", "=hello"),
    "cards of quoted lines": (".vcf", lambda: b"N;ENCODING=QUOTED-PRINTABLE:=\n" * 100_000 + b"hello", "=hello"),
    "source in one line": (".py", lambda: b"x=" * 1_000_000 + b"'hello'", "=hello"),
    "pdf whose pages are its pages": (
        ".pdf",
        lambda: page(HELLO).replace(b"/Kids [3 0 R] /Count 1", b"/Kids [2 0 R 3 0 R] /Count 9"),
        "=hello",
    ),
    "pdf that draws itself": (".pdf", lambda: page(HELLO + b"/X Do", shared=ITSELF + b"/X Do /X Do\nendstream"), "="),
    "pdf that unpacks to a gigabyte": (".pdf", lambda: page(b" " * 400_000_000 + HELLO), "="),
    "pdf of words": (
        ".pdf",
        lambda: page(
            b"".join(b"BT /F1 1 Tf %d %d Td (w) Tj ET\n" % (n % 600, n // 600) for n in range(50_000)) + HELLO
        ),
        "=hello",
    ),
    "pdf of fields": (
        ".pdf",
        lambda: make_pdf([line(72, 700, "hello")], fields=[field(f"f{n}", f"v{n}", 72, 9) for n in range(1_000)]),
        "=hello",
    ),
    "pdf of open brackets": (".pdf", lambda: page(HELLO + b"[" * 1_000_000), "=hello"),
    "pdf of objects": (".pdf", lambda: b"%PDF-1.4\n" + b"1 0 obj\n" * 500_000, "is not a readable PDF"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reading() -> AsyncIterator[Reading]:
    """One process reads all files: what one leaves behind in it must not harm the next."""
    async with Reading(LIMITS) as running:
        yield running


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_is_read_right_or_refused_by_name(reading: Reading, name: str) -> None:
    ending, build, expected = HOSTILE[name]
    content = build()
    try:
        reply = await reading.read(f"a{ending}", content, "d")
        outcome = "=" + "\n".join([*(one.text for one in reply.documents), *reply.warnings])
    except UnreadableError as error:
        outcome = str(error)
    assert "within 60 s" not in outcome
    if expected == "=":  # PDFium decides: it reads what it can, or runs out of memory
        assert "hello" in outcome or "ended the process" in outcome or "needs more than" in outcome
    elif expected.startswith("="):
        assert outcome.startswith("=")
        assert expected[1:] in outcome
    else:
        assert expected in outcome
    assert (await reading.read("next.txt", b"the next file", "d")).documents


def test_every_format_has_a_hostile_file() -> None:
    """Formats that the same reader reads count as one."""
    same = {".docm", ".dotx", ".dotm", ".pptm", ".ppsx", ".potx", ".xlsm", ".xltx", ".xltm", ".ott", ".ots", ".otp"}
    same |= {".ppsm", ".potm", ".odg", ".otg", ".mdown", ".mkd", ".rmd", ".qmd", ".tab", ".geojson", ".asciidoc"}
    same |= {".markdown", ".mdx", ".htm", ".xhtml", ".mhtml", ".ndjson", ".yml", ".rss", ".atom", ".xsd", ".dita"}
    text = {ending for ending in KNOWN if ending not in same and KNOWN.index(ending) > KNOWN.index(".log")}
    text |= {".text", ".rst", ".adoc", ".org", ".vtt"}
    assert set(KNOWN) - same - text - {ending for ending, _, _ in HOSTILE.values()} == set()


WORST = ["csv of long names", "docx of headers", "xlsx with far columns", "xml of mixed text", "pdf that draws itself"]


@pytest.mark.processes
def test_a_server_answers_while_it_reads_hostile_files(tmp_path: Path) -> None:
    config = "script: {words: 3}\nlexical: {path: lexical}\ningest: {read_memory: 1000000000}\n"
    with served(tmp_path, config, ORBIT_ADMIN_TOKEN="the-administrators-own-token") as server:
        lines: list[str] = []

        def upload() -> None:
            files = [("files", (f"{name}{HOSTILE[name][0]}", HOSTILE[name][1]())) for name in WORST]
            files.append(("files", ("good.txt", b"good")))
            head = {"Authorization": "Bearer the-administrators-own-token"}
            where = f"{server.url}/admin/collections/one/documents"
            lines.extend(httpx.post(where, files=files, headers=head, timeout=300).text.splitlines())

        uploading = threading.Thread(target=upload)
        uploading.start()
        answers = 0
        while uploading.is_alive():
            assert server.ask(stream=False).status_code == 200
            assert httpx.get(f"{server.url}/health", timeout=30).status_code == 200
            answers += 1
            uploading.join(0.2)
        summary = json.loads(lines[-1])
        assert answers > 1
        assert "good.txt" in summary["added"]
        accounted = {*summary["added"], *(one["source"] for one in summary["skipped"])}
        assert accounted == {*(f"{name}{HOSTILE[name][0]}" for name in WORST), "good.txt"}
    assert "Traceback" not in server.log.read_text()
