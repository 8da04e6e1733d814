"""Rich Text Format, as Word, LibreOffice and others write it."""

import pytest

from orbit.documents.reading.readers import read
from orbit.documents.sections import UnreadableError

HEAD = (
    rb"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 MS;}"
    rb"{\f3\fcharset2 Symbol;}}{\colortbl;\red0\green0\blue0;}{\stylesheet{\s0 Normal;}{\s1 heading 1;}{\s2 Heading 2;}"
    rb"{\s9 Title;}}{\*\generator Some;}"
)


def rtf(body: bytes):
    return read("a.rtf", HEAD + body + b"}")


def texts(body: bytes):
    return [text for section in rtf(body).sections for text in section.text.split("\n\n")]


def test_headings_and_the_title():
    found = rtf(
        rb"\pard\s9 Hausordnung\par\pard\s1 Allgemeines\par\pard Ruhe ab zehn.\par\pard\outlinelevel1 Keller\par"
        rb"\pard Abschlie\'dfen.\par\pard\s2 Porter: 5000\par"
    )
    assert found.title == "Hausordnung"
    assert [(one.path, one.text) for one in found.sections] == [
        (("Allgemeines",), "Ruhe ab zehn."),
        (("Allgemeines", "Keller"), "Abschließen."),
        (("Allgemeines",), "Porter: 5000"),
    ]
    assert rtf(rb"{\info{\title Untitled}{\author Ann}}Text\par").title == ""
    assert rtf(rb"{\info{\title Preise}{\author Ann}}\pard\s9 Preise\par\pard Text\par").sections[0].text == "Text"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rb"Caf\'e9 \u8364?5 \u8364\'805 {\uc2 \u322 xxa}", "Café €5 €5 ła"),
        (rb"{\f1 \'d6\'e5\'ed\'e0} \f2 \'93\'8c\'8b\'9e", "Цена 東京"),
        (rb"\u-10179?\u-8704? smile", "😀 smile"),
        (rb"a\~b\_c\-d \{x\} \\n \lquote q\rquote  \emdash", "a b-cd {x} \\n ‘q’ —"),  # noqa: RUF001  # those of print
        (rb"shown {\deleted gone}{\*\unknown gone}{\pict 00ff}kept", "shown kept"),
        (rb"shown {\v hidden}\v too\v0 and {\v\plain kept}", "shown and kept"),
        (rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt link text}}", "link text"),
        (rb"one\line two\tab three", "one\ntwo\tthree"),
        (rb"a{\bin4 }}}}b", "ab"),
    ],
)
def test_characters(body, text):
    assert texts(body + rb"\par") == [text]


def test_numbers_notes_and_boxes():
    assert texts(
        rb"{\listtext 3.\tab}Haftung\par{\listtext\f3 \'b7\tab}Punkt\par{\pntext b)\tab}Frist{\super\chftn}"
        rb"{\*\footnote\pard {\super\chftn} Nur f\'fcr Mieter.}.\par"
        rb"{\shp{\*\shpinst\shpleft0{\sp{\sn fill}{\sv 1}}{\shptxt Hotline 0800\par}}{\shprslt old}}Ende\par"
    ) == ["3. Haftung", "- Punkt", "b) Frist [1].", "[1] Nur für Mieter.", "Ende", "Hotline 0800"]


def test_tables_have_their_header_and_keep_their_notes():
    rows = b"".join(rb"\trowd\intbl Ort %d\cell{\listtext 1.}x\par y\cell %d \'80\cell\row" % (n, n) for n in range(40))
    table = rb"\trowd\intbl Ort\cell Art\cell Preis{\footnote netto}\cell\row" + rows
    before, body, after = rtf(rb"Davor\par" + table + rb"\pard Danach{\footnote brutto}\par").sections
    assert (before.text, body.header) == ("Davor", "Ort | Art | Preis [1]")
    assert body.text.split("\n")[7] == "Ort 7 | 1. x y | 7 €"
    assert after.text == "[1] netto\n\nDanach [2]\n\n[2] brutto"


def test_page_headers_and_footers_are_read_once():
    margins = rb"{\header Angebot 4711\par}{\headerf Angebot 4711\par}{\footer Seite \chpgn\par}"
    margins += rb"{\footerf Seite \chpgn: vertraulich\par}{\footerl 7\par}"
    assert [one.text for one in rtf(margins + rb"Text\par").sections] == ["Angebot 4711", "Text", "Seite : vertraulich"]


@pytest.mark.parametrize(
    "body", [rb"\trowd\cell" * 100_000, rb"\u1?" * 100_000 + rb"\par", rb"{\f9999999999 x}\par\bin999999999 "]
)
def test_hostile_files_end(body):
    assert rtf(rb"before\par" + body).sections[0].text.startswith("before")


def test_groups_nested_without_end_are_refused():
    with pytest.raises(UnreadableError, match="is nested too deeply"):
        rtf(b"{" * 100_000)


def test_what_is_no_rtf_is_refused():
    with pytest.raises(UnreadableError, match="is not a readable RTF document"):
        read("a.rtf", b"{\\html}")


def test_a_cell_for_several_rows_is_in_each():
    row = rb"\trowd%s\cellx1000\cellx2000\intbl %s\cell %s\cell\row"
    rows = row % (rb"\clvmgf", b"Sales", b"Ann") + row % (rb"\clvmrg", b"", b"Bob") + row % (b"", b"", b"Cy")
    assert texts(rows) == ["Sales | Ann\nSales | Bob\n | Cy"]
