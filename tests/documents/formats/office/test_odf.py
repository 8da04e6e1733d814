"""OpenDocument files: what is struck out, hidden, merged or beside the text."""

import pytest
from office_kit import archive_of

from orbit.documents.reading.readers import read

SPACES = 'xmlns:o="o" xmlns:t="t" xmlns:b="b" xmlns:s="s" xmlns:d="d"'
STRUCK = '<s:text-properties s:text-line-through-style="solid"/>'
HIDDEN = '<s:text-properties t:display="none"/>'


def opendocument(kind, body, styles="", named=""):
    content = f"<o:automatic-styles>{styles}</o:automatic-styles><o:body><o:{kind}>{body}</o:{kind}></o:body>"
    return archive_of(
        {
            "content.xml": f"<o:document-content {SPACES}>{content}</o:document-content>",
            "styles.xml": f"<o:document-styles {SPACES}>{named}</o:document-styles>",
        }
    )


def style(name, family, look="", above=""):
    return f'<s:style s:name="{name}" s:family="{family}" s:parent-style-name="{above}">{look}</s:style>'


def text_of(name, content):
    return "\n\n".join(section.text for section in read(name, content).sections)


def rows(*of, name="S", more=""):
    inner = "".join(f"<b:table-row>{row}</b:table-row>" for row in of)
    return f'<b:table b:name="{name}"{more}>{inner}</b:table>'


def cell(text, more=""):
    return f"<b:table-cell{more}><t:p>{text}</t:p></b:table-cell>"


COVERED = "<b:covered-table-cell/>"
HIGH, WIDE = ' b:number-rows-spanned="2"', ' b:number-columns-spanned="2"'


@pytest.mark.parametrize(
    ("body", "styles", "text"),
    [
        ('<t:p t:style-name="P">Fee 45</t:p>', style("P", "paragraph", STRUCK), "~~Fee 45~~"),
        (
            '<t:p>Fee <t:span t:style-name="T">45</t:span> 50</t:p>',
            style("Out", "text", STRUCK) + style("T", "text", above="Out"),
            "Fee ~~45~~ 50",
        ),
        ('<t:p t:style-name="P">Note</t:p><t:p>Fee</t:p>', style("P", "paragraph", HIDDEN), "Fee"),
        ('<t:section t:display="none"><t:p>Note</t:p></t:section><t:p>Fee</t:p>', "", "Fee"),
        ('<t:p t:style-name="Title">Fire: dial 112</t:p>', style("Title", "paragraph"), "Fire: dial 112"),
    ],
    ids=["struck paragraph", "style above", "hidden paragraph", "hidden section", "title alone"],
)
def test_text_that_does_not_hold_is_marked_or_left_out(body, styles, text):
    assert text_of("a.odt", opendocument("text", body, styles)) == text


@pytest.mark.parametrize(("name", "kind"), [("a.odt", "text"), ("a.ods", "spreadsheet")])
def test_a_cell_for_several_rows_is_in_each(name, kind):
    body = rows(
        cell("Sales", HIGH) + cell("Ann"), COVERED + cell("Bob"), cell("Law", HIGH) + cell("Cy"), COVERED + cell("")
    )
    found = read(name, opendocument(kind, body)).sections
    lines = "\n".join(f"{section.header}\n{section.text}".strip() for section in found)
    assert lines == "Sales | Ann\nSales | Bob\nLaw | Cy"


def test_the_row_below_names_of_several_columns_of_a_sheet_names_them_one_by_one():
    body = rows(
        cell("Item") + cell("2024", WIDE) + COVERED,
        cell("") + cell("Q1") + cell("Q2"),
        cell("Tea") + cell("1") + cell("2"),
    )
    (section,) = read("a.ods", opendocument("spreadsheet", body)).sections
    assert (section.header, section.text) == ("Item | 2024\n | Q1 | Q2", "Tea | 1 | 2")


def test_page_headers_and_footers_of_a_spreadsheet_are_read_once():
    page = (
        '<s:master-page s:name="Default"><s:header><t:p>Form QM-17 <t:sheet-name>???</t:sheet-name></t:p></s:header>'
        '<s:header-left s:display="false"><t:p>Draft</t:p></s:header-left>'
        "<s:footer><s:region-left><t:p>Valid until May</t:p></s:region-left></s:footer></s:master-page>"
        '<s:master-page s:name="Report"><s:footer><t:p>Page <t:page-number>1</t:page-number></t:p></s:footer>'
        "</s:master-page>"
    )
    looks = '<s:style s:name="ta1" s:family="table" s:master-page-name="Default"/>'
    looks += '<s:style s:name="ta2" s:family="table" s:master-page-name="Report"/>'
    body = ""
    for name, look in (("A", "ta1"), ("B", "ta1"), ("C", "ta2")):
        body += rows(cell(f"Tea {name}"), name=name, more=f' b:style-name="{look}"')
    found = read("a.ods", opendocument("spreadsheet", body, looks, page)).sections
    assert [(section.path[0], section.text) for section in found] == [
        *(("A", "Tea A"), ("A", "Form QM-17\n\nValid until May"), ("B", "Tea B"), ("C", "Tea C")),
    ]


def test_drawings_are_read():
    box = "<d:frame><d:text-box><t:p>Step 1</t:p></d:text-box></d:frame>"
    body = f"<d:page>{box}<d:ellipse><t:p>End</t:p></d:ellipse></d:page>"
    assert text_of("a.odg", opendocument("drawing", body)) == "Step 1\n\nEnd"
