"""Files of old Office programs are read, or named."""

import pytest
from compound_kit import attached, compound, message
from office_kit import xls

from orbit import Section, SourceFile
from orbit.builtin.old_office import OldOffice
from orbit.documents.file_types import check_type
from orbit.documents.sections import UnreadableError
from orbit.testing import BaseReadContract


class TestOldOffice(BaseReadContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "old_office"

    @pytest.fixture
    def file(self) -> SourceFile:
        return SourceFile("costs.xls", xls(("Article", "Price"), ("Tea", 3.0), ("Milk", 2.25)))


def test_a_workbook_of_excel_97(tmp_path):
    from orbit.testing import make_host

    provider = make_host({"echo": {}, "old_office": {}}, tmp_path).registry["old_office"]
    assert isinstance(provider, OldOffice)
    content = provider.read(SourceFile("a.xls", xls(("Article", "Price"), ("Tea", 3.0), ("Milk", 2.25))))
    assert content.sections == (
        Section(
            "Tea | 3\nMilk | 2.25",
            ("Costs",),
            metadata={"sheet": "Costs", "row": 2},
            header="Article | Price",
            kind="table",
        ),
    )
    with pytest.raises(UnreadableError, match="is not a readable file of old Office"):
        provider.read(SourceFile("a.msg", b"x"))


def test_a_title_above_the_columns_is_no_header(tmp_path):
    from orbit.testing import make_host

    provider = make_host({"echo": {}, "old_office": {}}, tmp_path).registry["old_office"]
    assert isinstance(provider, OldOffice)
    content = provider.read(SourceFile("a.xls", xls(("Price list", ""), ("Article", "Price"), ("Tea", 3.0))))
    assert [(one.header, one.text, one.metadata["row"]) for one in content.sections] == [
        *(("", "Price list", 1), ("Article | Price", "Tea | 3", 3)),
    ]


def test_without_it_old_files_say_what_to_do():
    with pytest.raises(UnreadableError, match=r"save it as \.xlsx, or enable the provider 'old_office'"):
        check_type("a.xls")


SUBJECT, BODY, HTML, RTF, DATA, LONG_NAME, DISPLAY_NAME = 0x0037, 0x1000, 0x1013, 0x1009, 0x3701, 0x3707, 0x3001


@pytest.fixture
def read_msg(tmp_path):
    from orbit.testing import make_host

    provider = make_host({"echo": {}, "old_office": {}}, tmp_path).registry["old_office"]
    assert isinstance(provider, OldOffice)
    return lambda content: provider.read(SourceFile("a.msg", content))


def test_a_message_within_a_message_is_read_with_its_attachments(read_msg):
    plan = attached({LONG_NAME: "plan.txt", DATA: b"The plan has 4 steps."})
    inner = message({SUBJECT: "Offer", BODY: "Tea costs 3 euros."}, [plan], header=24)
    found = read_msg(
        compound(message({SUBJECT: "Fwd: Offer", BODY: "See below."}, [attached({DISPLAY_NAME: "Offer"}, inner)]))
    )
    assert found.title == "Fwd: Offer"
    assert [(one.path, one.text) for one in found.sections] == [
        ((), "Subject: Fwd: Offer\n\nSee below."),
        (("Offer",), "Subject: Offer\n\nTea costs 3 euros."),
    ]
    assert found.attachments == (SourceFile("Offer/plan.txt", b"The plan has 4 steps."),)
    assert found.warnings == ()


def test_messages_nested_too_deeply_and_files_left_outside_are_named(read_msg):
    whole = message({SUBJECT: "deepest", BODY: "Nobody reads this."}, header=24)
    for number in range(6):
        whole = message({SUBJECT: f"level {number}"}, [attached({}, whole)], header=24 if number < 5 else 32)
    found = read_msg(compound(whole))
    assert len(found.sections) == 6
    assert found.warnings == ("The attachment 'attachment 1' is nested too deeply.",)
    linked = read_msg(compound(message({SUBJECT: "x"}, [attached({LONG_NAME: "far.docx"})])))
    assert linked.warnings == ("The attachment 'far.docx' is not in the file.",)


def test_text_that_a_message_has_in_html_or_rtf_alone(read_msg):
    page = read_msg(compound(message({SUBJECT: "x", HTML: b"<p>Tea</p>"})))
    assert page.attachments == (SourceFile("text.html", b"<p>Tea</p>"),)
    from compressed_rtf import compress  # type: ignore[import-untyped]  # it has no types

    text = rb"{\rtf1 Tea}"
    rich = read_msg(compound(message({SUBJECT: "x", RTF: compress(text, compressed=True)})))
    assert rich.attachments == (SourceFile("text.rtf", text),)


def test_people_of_a_message_have_names_and_addresses(read_msg):
    name, address, kind, headers = 0x3001, 0x3003, 0x0C15, 0x007D
    people: list[dict[int, str | bytes | int]] = [
        {name: "Ann", address: "ann@x.example", kind: 1},
        {address: "bo@x.example"},
        {name: "Cy", kind: 2},
        {},
    ]
    sent = {SUBJECT: "Tea", headers: "From: =?utf-8?q?Zo=C3=AB?=\r\n <zoe@x.example>\r\n"}
    found = read_msg(compound(message(sent, people=people)))
    assert found.sections[0].text == (
        "From: Zoë <zoe@x.example>\nTo: Ann <ann@x.example>, bo@x.example\nCc: Cy\nSubject: Tea"
    )


@pytest.mark.parametrize("sender", ["=?x-nowhere?q?Zo=EB?= <zoe@x.example>", "=?utf-8?b?a?= <zoe@x.example>"])
def test_a_sender_that_cannot_be_decoded_costs_no_message(read_msg, sender):
    found = read_msg(compound(message({SUBJECT: "Tea", BODY: "It costs 3 euros.", 0x007D: f"From: {sender}\r\n"})))
    assert found.sections[0].text == f"From: {sender}\nSubject: Tea\n\nIt costs 3 euros."
