"""Calendars and address cards."""

from __future__ import annotations

from orbit.documents.reading.readers import read


def test_lines_that_a_calendar_folds_are_whole_and_each_entry_is_a_section() -> None:
    content = (
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Board\\, spring\r\nDESCRIPTION:Please bring the docu\r\n"
        " ments\\nand a pen.\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:Party\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    _, board, party = read("a.ics", content.encode()).sections
    assert (board.title, party.title) == ("Board, spring", "Party")
    assert "DESCRIPTION:Please bring the documents\nand a pen." in board.text


def test_cards_of_old_telephones_have_their_letters() -> None:
    content = (
        b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;J=C3=B6=\n=72g\nTEL:1\nEND:VCARD\n"
        b"BEGIN:VCARD\nFN:Ada\nEND:VCARD\n"
    )
    first, second = read("a.vcf", content).sections
    assert first.text.split("\n")[2:4] == ["N;CHARSET=UTF-8:Müller;Jörg", "TEL:1"]
    assert second.title == "Ada"


def test_pictures_in_cards_are_no_text() -> None:
    card = (
        "BEGIN:VCARD\nFN:Ann\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ\n SkZJRgAB\nitem1.LOGO:data:image/png;base64,iVBO\n"
        "NOTE:see data: none\nTEL:5\nEND:VCARD\n"
    )
    assert [one.text for one in read("a.vcf", card.encode()).sections] == [
        "BEGIN:VCARD\nFN:Ann\nNOTE:see data: none\nTEL:5\nEND:VCARD"
    ]
