"""Word documents: nothing that a reader of the page sees is lost."""

import pytest
from office_kit import W, docx, paragraph, table

from orbit.config.model import Ingest
from orbit.documents.formats.list_labels import formatted, in_words
from orbit.documents.reading.readers import read
from orbit.documents.split import passages

LEVEL = '<w:lvl w:ilvl="{}"><w:start w:val="{}"/><w:numFmt w:val="{}"/><w:lvlText w:val="{}"/>{}</w:lvl>'


def levels(*of, name="0"):
    inner = "".join(LEVEL.format(depth, *level, *[""] * (4 - len(level))) for depth, level in enumerate(of))
    return f'<w:abstractNum w:abstractNumId="{name}">{inner}</w:abstractNum>'


def num(name, of="0", more=""):
    return f'<w:num w:numId="{name}"><w:abstractNumId w:val="{of}"/>{more}</w:num>'


def sections(content):
    return [(section.path, section.text) for section in read("a.docx", content).sections]


def text_of(content):
    return "\n".join(section.text for section in read("a.docx", content).sections)


def test_numbers_of_lists_count_by_level_and_begin_again():
    numbering = levels((1, "decimal", "%1."), (1, "lowerLetter", "%1.%2)"), (1, "lowerRoman", "(%3)"))
    numbering += levels((1, "bullet", "x"), name="1") + num("1") + num("2", "1")
    numbering += num("3", "0", '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride>')
    body = [
        paragraph("Scope", number="1"),
        paragraph("goods", number="1", level=1),
        paragraph("services", number="1", level=1),
        paragraph("advice", number="1", level=2),
        paragraph("Price", number="1"),
        paragraph("discount", number="1", level=1),
        paragraph("apples", number="2"),
        paragraph("Annex", number="3"),
        paragraph("Last", number="1"),
    ]
    assert [line.strip() for line in text_of(docx(*body, numbering=numbering)).split("\n") if line] == [
        "1. Scope",
        "1.a) goods",
        "1.b) services",
        "(i) advice",
        "2. Price",
        "2.a) discount",
        "- apples",
        "7. Annex",
        "8. Last",
    ]


def test_numbers_of_headings_come_from_their_styles():
    styles = "".join(
        f'<w:style w:styleId="berschrift{n}"><w:name w:val="heading {n}"/><w:pPr><w:numPr>'
        '<w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        for n in (1, 2)
    )
    styles += '<w:style w:styleId="Own"><w:name w:val="My own"/><w:basedOn w:val="berschrift2"/></w:style>'
    numbering = levels(
        (1, "upperRoman", "%1", '<w:pStyle w:val="berschrift1"/>'),
        (1, "decimal", "%1.%2", '<w:isLgl/><w:pStyle w:val="berschrift2"/>'),
    )
    body = [
        paragraph("General", "berschrift1"),
        paragraph("Words", "berschrift2"),
        paragraph("A word is a word."),
        paragraph("Liability", "berschrift1"),
        paragraph("Damage", "Own"),
        paragraph("We pay."),
    ]
    assert sections(docx(*body, styles=styles, numbering=numbering + num("1"))) == [
        (("I General", "1.1 Words"), "A word is a word."),
        (("II Liability", "2.1 Damage"), "We pay."),
    ]


def test_page_headers_footers_and_text_boxes_are_read_once():
    box = "<w:r><w:drawing><w:txbxContent>{}</w:txbxContent></w:drawing></w:r>".format(paragraph("Hotline 0800 123"))
    alternative = (
        f'<w:p xmlns:mc="mc"><mc:AlternateContent><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>'
        "</mc:AlternateContent><w:r><w:t>Leaflet</w:t></w:r></w:p>"
    )
    content = docx(
        alternative,
        links={"a": "header header1.xml", "b": "header header2.xml", "c": "footer footer1.xml"},
        more={
            "word/header1.xml": f"<w:hdr {W}>{paragraph('Offer no. 4711')}</w:hdr>",
            "word/header2.xml": f"<w:hdr {W}>{paragraph('Offer no. 4711')}</w:hdr>",
            "word/footer1.xml": f"<w:ftr {W}>{table(['Valid until', '31 March'])}</w:ftr>",
        },
    )
    assert text_of(content).split() == [
        *["Offer", "no.", "4711"],
        *["Leaflet", "Hotline", "0800", "123"],
        *["Valid", "until", "31", "March"],
    ]


def test_notes_are_below_their_paragraph():
    noted = '<w:p><w:r><w:t>We pay.</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    content = docx(
        noted,
        paragraph("More."),
        links={"a": "footnotes footnotes.xml"},
        more={
            "word/footnotes.xml": f'<w:footnotes {W}><w:footnote w:id="2">{paragraph("Within 30 days.")}</w:footnote>'
            "</w:footnotes>"
        },
    )
    assert text_of(content) == "We pay. [1]\n\n[1] Within 30 days.\n\nMore."


def test_deleted_text_is_gone_and_inserted_text_is_there():
    body = (
        "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        "<w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink><w:sdt><w:sdtContent><w:r><w:t> field</w:t></w:r>"
        "</w:sdtContent></w:sdt></w:p>"
    )
    assert text_of(docx(body)) == "new link field"


def test_text_that_looks_like_markup_is_text():
    content = docx(paragraph("# of units: 4711"), paragraph("Write &lt;!-- price --&gt; here."), paragraph("a * b * c"))
    assert text_of(content) == "# of units: 4711\n\nWrite <!-- price --> here.\n\na * b * c"


def test_headings_without_text_are_text():
    content = docx(
        paragraph("Numbers", "Heading1"), paragraph("Fire: 112", "Heading2"), paragraph("Porter: 5000", "Heading2")
    )
    assert sections(content) == [(("Numbers",), "Fire: 112"), (("Numbers",), "Porter: 5000")]


def test_each_passage_of_a_table_has_its_header():
    rows = [(f"Department {number}", f"Person {number}", f"555-{number}") for number in range(60)]
    content = docx(paragraph("Contacts", "Heading1"), table(("Department", "Head", "Phone"), *rows))
    found = passages("a.docx", read("a.docx", content), "d", Ingest())
    assert len(found) > 1
    assert all(passage.text.startswith("Contacts\n\nDepartment | Head | Phone\nDepartment") for passage in found)
    whole = "\n".join(passage.text for passage in found)
    assert all(" | ".join(row) in whole for row in rows)


def test_merged_cells_keep_their_columns():
    spanned = '<w:tc><w:tcPr><w:gridSpan w:val="2"/></w:tcPr><w:p><w:r><w:t>both</w:t></w:r></w:p></w:tc>'
    down = "<w:tc><w:tcPr><w:vMerge {}/></w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    rows = (spanned, down.format('w:val="restart"', "A") + spanned, down.format("", "") + spanned)
    body = "<w:tbl>" + "".join(f"<w:tr>{row}</w:tr>" for row in rows) + "</w:tbl>"
    assert text_of(docx(body)) == "both\nA | both\nA | both"


@pytest.mark.parametrize(
    ("number", "form", "written"),
    [
        (1, "decimal", "1"),
        (27, "lowerLetter", "aa"),
        (28, "upperLetter", "BB"),
        (1994, "upperRoman", "MCMXCIV"),
        (3, "decimalZero", "03"),
        (10**9, "upperRoman", "1000000000"),
        (4, "chineseCounting", "四"),
        (10, "chineseCountingThousand", "十"),
        (105, "japaneseCounting", "一百〇五"),
        (3, "russianLower", "в"),
        (2, "ganada", "나"),
        (40, "ganada", "40"),
        (4, "bahtText", "4"),
    ],
)
def test_forms_of_numbers(number, form, written):
    assert formatted(number, form) == written


@pytest.mark.parametrize(
    ("number", "form", "written"),
    [
        (2, "ordinal", "2nd"),
        (11, "ordinal", "11th"),
        (1, "cardinalText", "One"),
        (42, "cardinalText", "Forty-two"),
        (12, "ordinalText", "Twelfth"),
        (20, "ordinalText", "Twentieth"),
        (33, "ordinalText", "Thirty-third"),
        (100, "ordinalText", "100"),
        (5, "upperRoman", "V"),
    ],
)
def test_forms_of_numbers_in_english_words(number, form, written):
    assert in_words(number, form) == written


PARTS = levels(
    (1, "ordinalText", "%1 part"), (1, "decimal", "§ %2", '<w:lvlRestart w:val="0"/><w:isLgl w:val="0"/>')
) + num("1")
DELETED = (
    '<w:p><w:pPr>{}<w:rPr><w:del w:id="1"/></w:rPr></w:pPr><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>'
)
NUMBERED = '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>'
GERMAN = '<w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="de-DE"/></w:rPr></w:rPrDefault></w:docDefaults>'


def cells(*of):
    return f"<w:tbl><w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in of)}</w:tr></w:tbl>"


def numbered(text, level=0):
    return paragraph(text, number="1", level=level)


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (
            (numbered("A"), numbered("a", 1), numbered("B"), numbered("b", 1)),
            ["First part A", "§ 1 a", "Second part B", "§ 2 b"],
        ),
        ((cells(numbered(""), paragraph("Apples")), numbered("After")), ["First part | Apples", "Second part After"]),
        ((cells(paragraph("x"), numbered("A") + numbered("B")),), ["x | First part A Second part B"]),
        ((numbered("A"), numbered(""), numbered("C")), ["First part A", "Third part C"]),
        ((numbered("A"), DELETED.format(NUMBERED), numbered("B")), ["First part A", "Second part B"]),
    ],
    ids=["no restart", "a column of numbers", "a list in a cell", "an empty item", "a deleted item"],
)
def test_every_item_counts_that_word_counts(body, lines):
    assert [line.strip() for line in text_of(docx(*body, numbering=PARTS)).split("\n") if line] == lines


def test_words_for_numbers_are_written_in_english_documents_alone():
    assert text_of(docx(numbered("Teil"), numbering=PARTS, styles=GERMAN)) == "1 part Teil"


def field(properties):
    return f'<w:r><w:fldChar w:fldCharType="begin"><w:ffData>{properties}</w:ffData></w:fldChar></w:r>'


def run(text, properties):
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>"


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        (run("hidden", "<w:vanish/>") + run("seen", '<w:vanish w:val="0"/>'), "seen"),
        (run("99 ", "<w:strike/>") + run("euro", "<w:dstrike/>") + run(" 79 euro", ""), "~~99 euro~~ 79 euro"),
        (field('<w:ddList><w:result w:val="1"/><w:listEntry w:val="S"/><w:listEntry w:val="XL"/></w:ddList>'), "XL"),
        (field("<w:checkBox><w:default w:val='0'/><w:checked/></w:checkBox>") + run("fragile", ""), "☒fragile"),
        (field("<w:checkBox><w:default w:val='0'/></w:checkBox>") + run("fragile", ""), "☐fragile"),
        (field("<w:textInput/>") + run("Filled", ""), "Filled"),
        ('<w:r><w:pict><v:shape xmlns:v="v"><v:textpath string="Sale!"/></v:shape></w:pict></w:r>', "Sale!"),
        ("<w:pPr><w:rPr><w:del/></w:rPr></w:pPr>" + run("One ", "") + "</w:p><w:p>" + run("line", ""), "One line"),
    ],
    ids=["hidden", "struck", "choice", "ticked", "not ticked", "filled in", "WordArt", "joined"],
)
def test_what_word_shows_is_text(inner, text):
    assert text_of(docx(f"<w:p>{inner}</w:p>")) == text


def test_comments_are_below_their_paragraph_with_the_author():
    comments = f'<w:comments {W}><w:comment w:id="0" w:author="Ann">{paragraph("Ask sales.")}</w:comment></w:comments>'
    body = '<w:p><w:r><w:t>We pay.</w:t></w:r><w:r><w:commentReference w:id="0"/></w:r></w:p>'
    content = docx(body, links={"c": "comments comments.xml"}, more={"word/comments.xml": comments})
    assert text_of(content) == "We pay.\n\nComment by Ann: Ask sales."


def test_a_document_nested_without_end_is_read_or_refused_by_name():
    deep = "<w:sdt><w:sdtContent>" * 20_000 + paragraph("deep") + "</w:sdtContent></w:sdt>" * 20_000
    with pytest.raises(RecursionError):  # the reading process names it
        read("a.docx", docx(deep))


def test_ticked_boxes_and_page_numbers():
    sign = '<w:r><w:sym w:font="Wingdings" w:char="{}"/></w:r>'
    body = f"<w:p>{sign.format('F0FE')}<w:r><w:t xml:space='preserve'> ja </w:t></w:r>{sign.format('F0A8')}</w:p>"
    footer = f"<w:ftr {W}>{paragraph('7')}</w:ftr>"
    content = docx(body, links={"f": "footer footer1.xml"}, more={"word/footer1.xml": footer})
    assert sections(content) == [((), "☑ ja ☐")]


def test_files_that_programs_put_into_a_document_are_read_in_their_place():
    inner = docx(paragraph("Aus Word"))
    content = docx(
        paragraph("Davor"),
        *(f'<w:altChunk xmlns:r="r" r:id="{name}"/>' for name in ("h", "d", "x")),
        paragraph("Danach"),
        links={"h": "aFChunk chunk1.html", "d": "aFChunk chunk2.docx", "x": "aFChunk chunk3.bin"},
        more={
            "word/chunk1.html": "<h2>Bericht</h2><p>Größe: 5</p>",
            "word/chunk2.docx": inner,
            "word/chunk3.bin": "00",
        },
    )
    assert sections(content) == [((), "Davor"), (("Bericht",), "Größe: 5"), ((), "Aus Word"), ((), "Danach")]


def test_a_title_above_the_names_of_the_columns_is_repeated_with_them():
    rows = [(f"Model {n}", f"{3 * n} kg", f"remark about number {n}") for n in range(1, 80)]
    content = docx(table(("Products of 2025", "", ""), ("Model", "Weight", "Remark"), *rows))
    found = passages("a.docx", read("a.docx", content), "d", Ingest())
    assert len(found) > 2
    assert all("Products of 2025\nModel | Weight | Remark\n" in document.text for document in found)


LOOKS = (
    '<w:style w:type="paragraph" w:styleId="Old"><w:name w:val="Old"/><w:rPr><w:strike/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Older"><w:name w:val="Older"/><w:basedOn w:val="Old"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Note"><w:name w:val="Note"/><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:type="character" w:styleId="Out"><w:name w:val="Out"/><w:rPr><w:dstrike/></w:rPr></w:style>'
)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (paragraph("Fee 45", "Older"), "~~Fee 45~~"),
        (f"<w:p>{run('Fee 45 ', '<w:rStyle w:val=`Out`/>')}{run('Fee 50', '')}</w:p>", "~~Fee 45 ~~Fee 50"),
        (
            paragraph("Fee 45 ", "Old").replace("</w:p>", f"{run('Fee 50', '<w:strike w:val=`0`/>')}</w:p>"),
            "~~Fee 45 ~~Fee 50",
        ),
        (paragraph("For the printer", "Note") + paragraph("Fee 50"), "Fee 50"),
    ],
    ids=["paragraph", "run", "not this run", "hidden"],
)
def test_styles_strike_out_and_hide(body, text):
    assert text_of(docx(body.replace("`", '"'), styles=LOOKS)) == text


def test_a_title_with_nothing_below_it_is_text():
    assert sections(docx(paragraph("Fire: dial 112", "Title"))) == [((), "Fire: dial 112")]


def test_rows_may_begin_further_to_the_right():
    rows = table(("Room", "Phone", "Fax"), ("A1", "5001", "6001"))
    moved = rows.replace("<w:tr><w:tc><w:p><w:r><w:t>A1", '<w:tr><w:trPr><w:gridBefore w:val="1"/></w:trPr>@A1')
    cell = "<w:tc><w:p><w:r><w:t>A1</w:t></w:r></w:p></w:tc>"
    assert cell in rows
    assert text_of(docx(moved.replace("@A1</w:t></w:r></w:p></w:tc>", ""))) == "Room | Phone | Fax\n | 5001 | 6001"


def test_the_row_below_names_of_several_columns_names_them_one_by_one():
    wide = "<w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    names = (
        table(("Item",)).removeprefix("<w:tbl>").removesuffix("</w:tr></w:tbl>")
        + wide.format("2024")
        + wide.format("2025")
        + "</w:tr>"
    )
    rows = table(("", "Q1", "Q2", "Q1", "Q2"), *((f"Item {n} of the long list", n, n, n, n) for n in range(40)))
    body = "<w:tbl>" + names + rows.removeprefix("<w:tbl>")
    (section,) = read("a.docx", docx(body)).sections
    assert section.header == "Item | 2024 |  | 2025\n | Q1 | Q2 | Q1 | Q2"
