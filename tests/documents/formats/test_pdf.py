"""PDF to text: reading order, whole words, tables, form values, and what repeats or is missing."""

import io
import time

import pytest
from pdf_kit import field, line, make_pdf

from orbit.documents.formats.pdf.pictures import deadline
from orbit.documents.formats.pdf.repairs import restored
from orbit.documents.formats.pdf.words import clean
from orbit.documents.formats.titles import real_title
from orbit.documents.reading.readers import read
from orbit.documents.sections import Content, Section, UnreadableError


def texts(content):
    return [section.text for section in read("a.pdf", content).sections]


def test_words_divided_at_the_end_of_a_line_are_whole_and_ligatures_are_letters():
    page = [
        line(72, 700, "The o\\004ce con\\001rms the \\002ight and the cer-"),
        line(72, 688, "ti\\001cate. Well-known guests and the well-"),
        line(72, 676, "known host. In 1994-"),
        line(72, 664, "1998 it was closed."),
    ]
    (text,) = texts(make_pdf(page))
    assert "The office confirms the flight and the certificate." in text
    assert "the well-known host" in text
    assert "1994-\n1998" in text


def test_columns_are_read_one_after_the_other_however_the_file_draws_them():
    left = ["The harbour master keeps the keys", "of all sheds on the quay and lends", "them to members for one day"]
    right = [
        "Visitors pay at the office before",
        "noon and show their tickets to the",
        "guard at the gate when they leave",
    ]
    rows = [line(x, 700 - 12 * n, one[n]) for n in range(3) for x, one in ((72, left), (320, right))]
    (text,) = texts(make_pdf([line(72, 730, "All about the harbour, its rules and its many visitors", 16), *rows]))
    assert text.split("\n", 1)[0].startswith("All about the harbour")
    assert "\n".join(left) in text
    assert "\n".join(right) in text
    assert text.index(left[-1]) < text.index(right[0])


def test_a_file_that_draws_the_bottom_first_is_read_from_the_top():
    lines = [line(72, 600, "third"), line(72, 650, "second"), line(72, 700, "first")]
    (text,) = texts(make_pdf(lines))
    assert text.split() == ["first", "second", "third"]


@pytest.mark.parametrize(("turn", "step"), [("0 1 -1 0", (12, 0)), ("0 -1 1 0", (-12, 0)), ("-1 0 0 -1", (0, 12))])
def test_pages_on_their_side_are_read_in_order(turn, step):
    words = ["First line of the page", "second line of the page", "third line of the page"]
    lines = [line(300 + step[0] * n, 400 + step[1] * n, words[n], turn=turn) for n in (2, 0, 1)]
    (text,) = texts(make_pdf(lines, rotate=90))
    assert text.split("\n") == words


def test_tables_are_rows_below_their_header_also_over_a_page():
    head = ["Screw", "Steel", "Note"]
    cells = [[f"M{n}", f"{3 * n} Nm", f"class {n % 3}"] for n in range(1, 9)]

    def rows(*lines):
        return [line(72 + 150 * x, 700 - 14 * y, cell) for y, row in enumerate(lines) for x, cell in enumerate(row)]

    content = read("a.pdf", make_pdf([line(72, 740, "Torques of screws."), *rows(head, *cells[:5])], rows(*cells[5:])))
    prose, first, second = content.sections
    assert prose.text == "Torques of screws."
    assert first.header == second.header == "Screw | Steel | Note"
    assert first.text.split("\n")[0] == "M1 | 3 Nm | class 1"
    assert second.text.split("\n") == ["M6 | 18 Nm | class 0", "M7 | 21 Nm | class 1", "M8 | 24 Nm | class 2"]
    assert second.metadata == {"page": 2}


def test_values_of_forms_are_beside_their_labels():
    labels = [
        line(72, 700, "First name:"),
        line(72, 670, "Town:"),
        line(72, 640, "Sign here and send it back."),
    ]
    fields = [field("b", "Lisboa", 160, 667), field("a", "Luzia", 160, 697)]
    text = "\n".join(texts(make_pdf(labels, fields=fields)))
    assert "First name: Luzia" in text.replace(" | ", " ")
    assert "Town: Lisboa" in text.replace(" | ", " ")


def test_values_of_a_page_that_was_taken_out_of_its_form_are_read():
    page = make_pdf([line(72, 700, "Agency:")], fields=[field("a", "Fish and Wildlife", 160, 697)])
    assert "Fish and Wildlife" in texts(page.replace(b"/AcroForm", b"/Nothing1"))[0]


def test_running_headers_and_page_numbers_do_not_drown_the_text():
    facts = ["Parking is free.", "Lunch costs four euro.", "Keys are with the porter.", "Bikes go in the cellar."]
    pages = [
        [line(72, 760, "ACME - Staff handbook"), line(72, 600, fact), line(72, 30, f"Page {n} of 4 - uncontrolled")]
        for n, fact in enumerate(facts, start=1)
    ]
    assert texts(make_pdf(*pages)) == [f"ACME - Staff handbook\n\n{facts[0]}", *facts[1:]]


def test_a_name_beside_the_number_of_the_page_is_read_once():
    def header(n):
        return line(72, 760, f"{n}   Staff handbook") if n % 2 else line(400, 760, f"House rules   {n}")

    pages = [[header(n), line(72, 600, f"Clerk number {n} has the key.")] for n in range(1, 9)]
    assert texts(make_pdf(*pages)) == [
        "1 Staff handbook\n\nClerk number 1 has the key.",
        "House rules 2\n\nClerk number 2 has the key.",
        *(f"Clerk number {n} has the key." for n in range(3, 9)),
    ]


def test_a_running_header_with_the_name_of_the_chapter_is_removed():
    def page(n):
        chapter = "Parking" if n < 7 else "Lunches"
        title = [line(72, 700, chapter)] if n in (1, 7) else []
        text = [*title, line(72, 600, f"Clerk number {n} has the key.")]
        return [line(72, 760, "Staff handbook"), *text, line(400, 760, chapter)]

    found = texts(make_pdf(*map(page, range(1, 9))))
    assert found[0].startswith("Staff handbook\n\nParking\n\nClerk number 1 has the key.")
    assert found[1:6] == [f"Clerk number {n} has the key." for n in range(2, 7)]
    assert found[6:] == ["Lunches\n\nClerk number 7 has the key.", "Clerk number 8 has the key."]


def test_a_label_above_a_value_of_the_page_is_no_running_header():
    pages = [
        [line(72, 760, "Department"), line(300, 760, name), line(72, 600, f"Clerk number {n} has the key.")]
        for n, name in enumerate(["Accounts", "Purchasing", "Warehouse", "Reception"])
    ]
    assert all(
        name in text
        for name, text in zip(
            ["Accounts", "Purchasing", "Warehouse", "Reception"], texts(make_pdf(*pages)), strict=True
        )
    )


def test_what_differs_or_is_all_of_a_page_is_no_running_header():
    fees = [f"Chapter {n}: the fee of class {n} is {n}0 euro." for n in range(1, 6)]
    assert texts(make_pdf(*([line(72, 700, fee)] for fee in fees))) == fees
    keys = [[line(72, 700, f"Room {n}0"), line(72, 686, f"Ask clerk number {n} for the key.")] for n in range(1, 6)]
    assert texts(make_pdf(*keys)) == [f"Room {n}0\nAsk clerk number {n} for the key." for n in range(1, 6)]
    same = [[line(72, 760, "Form 12"), line(72, 500 - 7 * n, "The end")] for n in range(4)]
    assert texts(make_pdf(*same))[1:] == ["The end"] * 3


def test_pages_without_text_and_damaged_pages_are_named():
    content = read("a.pdf", make_pdf([line(72, 700, "Cover")], ["0 0 m 9 9 l S"], [], None, [line(72, 700, "End")]))
    assert [(section.text, section.metadata) for section in content.sections] == [
        ("Cover", {"page": 1}),
        ("End", {"page": 5}),
    ]
    named = " / ".join(content.warnings)
    assert "Pages 2 to 3 have no text" in named
    assert "Page 4 cannot be read" in named


def test_an_operator_out_of_place_costs_nothing_else():
    bad = "BT /F1 10 Tf 72 700 Td [(Chapter two) 0.0 Tc -250 (is damaged)] TJ ET"
    found = texts(make_pdf([line(72, 700, "Chapter one")], [bad], [line(72, 700, "Chapter three")]))
    assert found[0] == "Chapter one"
    assert found[-1] == "Chapter three"


def test_a_sentence_that_goes_on_overleaf_is_whole_on_its_first_page():
    one, two = (
        [line(72, 60, "The notice period of employees in their probation:")],
        [line(72, 760, "it is two weeks. Afterwards it is a month.")],
    )
    first, second = read("a.pdf", make_pdf(one, two)).sections
    assert first.text == "The notice period of employees in their probation:\nit is two weeks."
    assert first.metadata == {"page": 1}
    assert (second.text, second.metadata) == ("it is two weeks. Afterwards it is a month.", {"page": 2})


@pytest.mark.parametrize(
    "junk",
    [
        "untitled",
        "Microsoft Word - Document17 \\(2\\).docx",
        "C:\\\\Users\\\\x\\\\plan.tmp",
        "PowerPoint Presentation",
        "(anonymous)",
        "report_final.indd",
        "Untitled-3",
        "Unbenannt 1",
        "Unbenanntes Dokument",
        "Documento sin t\xedtulo",
        "Document sans titre",
        "noname",
        "Sans titre",
        "Pr\xe9sentation PowerPoint",
        "New Microsoft Word Document",
        "Book1",
        "LaTeX with hyperref",
        "Minutes.docx - Google Docs",
        "Dokument1",
        "Neues Textdokument \\(2\\)",
        "Nouveau document texte",
        "Layout 1",
        "1",
    ],
)
def test_titles_that_name_a_program_or_file_are_no_titles(junk):
    assert read("a.pdf", make_pdf([line(72, 700, "text")], title=junk)).title == ""


@pytest.mark.parametrize(
    "title",
    [
        "Handbook",
        "Word processing",
        "Untitled poems",
        "Book 12",
        "Form 12",
        "Documentation",
        "New document retention rules",
        "Layout of pages",
        "Excel for beginners",
        "Scanning electron microscopes",
    ],
)
def test_titles_that_only_look_alike_stay(title):
    assert real_title(title) == title


@pytest.mark.parametrize("harm", ["cut", "header", "index"])
def test_damaged_files_are_read_as_far_as_they_go(harm):
    whole = make_pdf([line(72, 700, "Still readable")], junk=b"% a comment\n")
    harmed = {
        "cut": whole[: whole.index(b"xref")],
        "header": whole[9:],
        "index": whole.replace(b"startxref", b"startxerf"),
    }[harm]
    assert texts(harmed) == ["Still readable"]


def test_a_page_whose_fonts_name_no_characters_is_named():
    found = read("a.pdf", make_pdf([line(72, 700, "Fine")], [line(72, 700, "\\016\\017\\020 \\021\\022 a")]))
    assert any("fonts of page 2" in warning for warning in found.warnings)


def test_what_is_no_pdf_is_refused():
    with pytest.raises(UnreadableError, match="is not a readable PDF"):
        read("a.pdf", b"1 0 obj << /Type /Catalog >> endobj")


def test_shapes_of_letters_are_letters_and_other_signs_stay():
    assert clean("\ufb01sh \uff21\uff12 5 m\u00b2 \u00bd \ufefb") == "fish A2 5 m\u00b2 \u00bd \u0644\u0627"
    assert clean("\u6771 \u4eac \u306e \u5929 \u6c17, Tokyo") == "\u6771\u4eac\u306e\u5929\u6c17, Tokyo"


GERMAN = [
    *("Die Genehmigungspflicht entfiele", "bei Veranstaltungen, deren Kosten", "durch Drittmittel gedeckt worden"),
    *("sind. Verpflegungsmehraufwand der", "Mitarbeiterinnen wird ausgezahlt.", "Belege sind beizulegen, und zwar "),
]


def test_columns_of_long_words_are_no_table():
    rows = [line(x, 700 - 12 * n, GERMAN[n + shift]) for n in range(3) for x, shift in ((72, 0), (320, 3))]
    (section,) = read("a.pdf", make_pdf(rows)).sections
    assert section.kind == "prose"
    assert section.text.replace("\n\n", "\n").split("\n") == [one.strip() for one in GERMAN]


RAGGED = """
Rechtsschutzversicherungsgesellschaft und
Haftpflicht
Nahrungsmittelunverträglichkeiten sind
zu melden
Verkehrsordnungswidrigkeitenverfahren
kosten Geld
Arbeitsunfähigkeitsbescheinigungen, die
fehlen
Unternehmenssteuerfortentwicklungsgesetz
gilt hier
""".strip().split("\n")


def test_narrow_columns_of_long_words_are_no_table_however_short_their_lines():
    rows = [line(x, 700 - 12 * n, one, 8) for n, one in enumerate(RAGGED) for x in (40, 220, 400)]
    (section,) = read("a.pdf", make_pdf(rows)).sections
    assert section.kind == "prose"
    assert section.text.split("\n\n") == ["\n".join(RAGGED)] * 3


def test_a_list_of_names_and_roles_is_a_table():
    cells = [
        ("Anna Schmidt", "Head of purchasing"),
        ("Bo Li", "Cook"),
        ("Christina Aguilera", "Legal counsel, contracts"),
    ]
    cells += [("Emil Nolde", "IT"), ("Fred Astaire", "Warehouse manager"), ("Gina Loll", "Assistant to the board")]
    rows = [line(x, 700 - 14 * n, cell) for n, row in enumerate(cells) for x, cell in zip((40, 220), row, strict=True)]
    (section,) = read("a.pdf", make_pdf(rows)).sections
    assert (section.kind, section.text.count("\n")) == ("table", 5)


@pytest.mark.parametrize("again", ["Part number: 300218", "Part number:", "300218"])
def test_what_is_drawn_again_to_look_bold_is_there_once(again):
    start = 100.6 + 63 * again.startswith("3")
    (text,) = texts(make_pdf([line(100, 700, "Part number: 300218"), line(start, 700, again)]))
    assert text == "Part number: 300218"


def test_lines_that_say_the_same_twice_stay():
    (text,) = texts(make_pdf([line(100, 700, "bye bye"), line(100, 686, "Pago Pago"), line(100, 672, "AABB")]))
    assert text == "bye bye\nPago Pago\nAABB"


def test_doubled_letters_are_single():
    (text,) = texts(make_pdf([line(100, 700, "HHaarrbboouurr  ooffffiiccee  rruulleess")]))
    assert text == "Harbour office rules"


def test_letters_that_a_font_names_in_utf_8_are_themselves():
    russian = "Подпись и дата"
    misread = russian.encode().replace(b" ", b"\0 ").decode("utf-16-be")
    assert restored(f"A4 {misread}") == f"A4 {russian}"
    assert restored("킴 토 사랑 톤 통 킹") == "킴 토 사랑 톤 통 킹"


@pytest.mark.parametrize(
    ("misread", "text"),
    [
        ("Allg‰u f\xb8r K‰ferhofen, “K\u02c6ln”", "Allgäu für Käferhofen, “Köln”"),
        ("un ÈtÈ sans crËme", "un été sans crème"),
        ("Größe 5 ‰ in ÈCOLE DES BEAUX-ARTS", "Größe 5 ‰ in ÈCOLE DES BEAUX-ARTS"),
    ],
)
def test_accents_of_windows_that_are_taken_for_signs_of_the_macintosh(misread, text):
    assert restored(misread) == text


def test_words_whose_last_letter_text_recognition_draws_apart_are_whole():
    said = "The harbour master keeps the list of all berths and reads it every morning"
    words = said.split()
    drawn, x = [], 72
    for number, word in enumerate(words):
        y = 700 - 14 * (number // 6)
        x = x if number % 6 else 72
        drawn.append(f"BT /F1 10 Tf 3 Tc {x} {y} Td ({word[:-1]}) Tj ET")
        x += 9 * len(word[:-1])
        drawn.append(f"BT /F1 10 Tf 3 Tc {x} {y} Td ({word[-1]} ) Tj ET")
        x += 14
    assert " ".join(texts(make_pdf(drawn))).split() == words


def test_words_divided_in_a_cell_are_whole():
    head = ["Posten", "Beschreibung", "Preis"]
    drawn = [line(72 + 150 * x, 700, cell) for x, cell in enumerate(head)]
    for y in range(674, 600, -26):
        drawn += [
            line(72, y, "Ware 1"),
            line(222, y, "Verbrauchsma-"),
            line(222, y - 11, "terial"),
            line(372, y, "5 EUR"),
        ]
    assert "Ware 1 | Verbrauchsmaterial | 5 EUR" in "\n".join(texts(make_pdf(drawn)))


def test_a_file_whose_end_is_missing_is_named():
    whole = make_pdf([line(72, 700, "One")], [line(72, 700, "Two")])
    assert not read("a.pdf", whole + b"\n\0\0").warnings
    cut = whole[: whole.index(b"xref")]
    assert read("a.pdf", cut).warnings == ("The end of the file is missing, so some of its text may be missing, too.",)


PICTURE = "0 0 m 300 300 l S"


def recognising(*texts, fails=()):
    """A plugin's reader of pictures: gives one text after the other, and keeps what it got."""
    got = []

    def read_picture(file):
        got.append(file)
        if len(got) in fails:
            raise UnreadableError("is too dark")
        text = texts[len(got) - 1]
        return Content(
            (Section(text, ("Annex",), metadata={"line": 1}),) if text else (), warnings=("One line is faded.",)
        )

    return read_picture, got


def test_a_plugin_reads_only_the_pages_that_hold_pictures_alone():
    read_picture, got = recognising("Clause one.", "", "unused", fails=(3,))
    pages: list[list[str] | str] = [[line(72, 700, "Cover")], PICTURE, [line(72, 700, "Middle")], PICTURE, [], PICTURE]
    content = read("a.pdf", make_pdf(*pages), {".png": read_picture})
    assert [file.name for file in got] == ["page 2.png", "page 4.png", "page 6.png"]
    assert all(file.content.startswith(b"\x89PNG") for file in got)
    assert [(one.text, one.path, one.metadata) for one in content.sections] == [
        ("Cover", (), {"page": 1}),
        ("Clause one.", ("Annex",), {"line": 1, "page": 2}),
        ("Middle", (), {"page": 3}),
    ]
    assert content.warnings == (
        "Page 2 is read from pictures; the text there may have mistakes.",
        "Pages 4 to 6 have no text; scanned pages need text recognition first.",
        "Page 2: One line is faded.",
        "Page 4: One line is faded.",
        "Page 6: the text recognition says that it is too dark.",
    )


def test_pages_for_which_there_is_no_time_are_named():
    read_picture, got = recognising("Clause one.", "Clause two.")
    token = deadline.set(time.monotonic() - 1)
    try:
        content = read("a.pdf", make_pdf([line(72, 700, "Cover")], PICTURE, PICTURE), {".png": read_picture})
    finally:
        deadline.reset(token)
    assert got == []
    assert content.warnings == ("There was no time to read the pictures of pages 2 to 3 (ingest.read_timeout).",)


def test_a_scan_that_cannot_be_recognised_is_refused_with_the_reason():
    read_picture, _ = recognising(fails=(1,))
    with pytest.raises(UnreadableError, match="the text recognition says that it is too dark"):
        read("a.pdf", make_pdf(PICTURE), {".png": read_picture})


@pytest.mark.parametrize(
    "numbers",
    [
        ["Page one", "Page two", "Page three", "Page four"],
        ["Seite eins", "Seite zwei", "Seite drei", "Seite vier"],
        ["Page I of IV", "Page II of IV", "Page III of IV", "Page IV of IV"],
        ["II", "III", "IV", "V"],
    ],
)
def test_page_numbers_in_words_and_capitals_are_removed(numbers):
    facts = ["Parking is free.", "Lunch costs four euro.", "Keys are with the porter.", "Bikes go in the cellar."]
    pages = [[line(72, 600, fact), line(72, 30, number)] for fact, number in zip(facts, numbers, strict=True)]
    assert texts(make_pdf(*pages)) == facts


def test_words_after_page_that_count_nothing_stay():
    pages = [
        [line(72, 740, f"Page {word}"), line(72, 600, f"About {word}.")] for word in ("layout", "setup", "margins")
    ]
    assert texts(make_pdf(*pages))[1] == "Page setup\n\nAbout setup."


PROSE = [
    "The law has long given the owner of the land",
    "all of the air above it, up to the heavens,",
    "until the first planes flew over the fields",
    "of farmers who then came before the court.",
] * 4


@pytest.mark.parametrize("x", [40, 480])
def test_numbers_of_lines_in_the_margin_are_no_text(x):
    page = [line(72, 720 - 14 * number, text) for number, text in enumerate(PROSE)]
    page += [line(x, 720 - 14 * number, str(number + 11)) for number in range(len(PROSE))]
    assert texts(make_pdf(page)) == ["\n".join(PROSE)]


def test_numbers_of_a_list_stay():
    names = ["Buy a long ladder and a rope", "Paint the fence and the gate", "Call the roofer about the gutter"] * 4
    page = [line(72, 720 - 14 * number, text) for number, text in enumerate(names)]
    page += [line(40, 720 - 14 * number, str(number + 1)) for number in range(len(names))]
    text = " ".join(texts(make_pdf(page))).split()
    assert [str(number + 1) for number in range(len(names))] == [word for word in text if word.isdecimal()]


def test_a_hyphen_for_the_end_of_another_word_stays():
    (text,) = texts(make_pdf([line(72, 700, "Die Haupt-"), line(72, 688, "und Nebenkosten trage ich.")]))
    assert "Haupt- und Nebenkosten" in text
    (text,) = texts(make_pdf([line(72, 700, "It is made with state-"), line(72, 688, "of-the-art tools.")]))
    assert "state-of-the-art tools" in text


def test_a_scan_under_a_running_header_is_a_page_without_text():
    def scan(number):
        return ["q 612 0 0 792 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q", line(72, 30, f"Page {number} of 5")]

    content = read(
        "a.pdf", make_pdf([line(72, 700, "The fee is 10 euro."), line(72, 30, "Page 1 of 5")], *map(scan, range(2, 6)))
    )
    assert [section.text for section in content.sections] == ["The fee is 10 euro."]
    assert "Pages 2 to 5 have no text" in content.warnings[0]


def test_a_scan_under_the_first_running_header_is_a_page_without_text():
    header = line(72, 760, "Acme archive")
    scan = ["q 612 0 0 792 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q", header]
    content = read("a.pdf", make_pdf(scan, scan, scan, [header, line(72, 700, "The fee is 10 euro.")]))
    assert [section.text for section in content.sections] == ["Acme archive\n\nThe fee is 10 euro."]
    assert "Pages 1 to 3 have no text" in content.warnings[0]


def test_forms_show_what_was_chosen_and_no_password():
    fields = [
        field("c", "fr", 160, 697).replace("/FT /Tx", "/FT /Ch /Ff 131072 /Opt [[(de) (Germany)] [(fr) (France)]]"),
        field("p", "hunter2", 160, 667, "/Ff 8192"),
    ]
    text = " ".join(texts(make_pdf([line(72, 700, "Country:"), line(72, 670, "Password:")], fields=fields)))
    assert "Country: France" in text
    assert "fr" not in text.split()
    assert "hunter2" not in text


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_a_file_that_only_its_owner_may_change_is_read(algorithm):
    from pypdf import PdfReader, PdfWriter
    from pypdf.constants import UserAccessPermissions

    writer = PdfWriter(PdfReader(io.BytesIO(make_pdf([line(72, 700, "The fee is 10 euro.")]))))
    writer.encrypt("", owner_password="owner", algorithm=algorithm, permissions_flag=UserAccessPermissions(0))
    content = io.BytesIO()
    writer.write(content)
    assert b"/Encrypt" in content.getvalue()
    assert texts(content.getvalue()) == ["The fee is 10 euro."]


class _Given(str):
    """A password for pypdf, which takes an empty one for none."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_a_file_that_asks_only_readers_for_a_password_is_read(algorithm):
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(make_pdf([line(72, 700, "The fee is 10 euro.")]))))
    writer.encrypt("reader", owner_password=_Given(""), algorithm=algorithm)
    content = io.BytesIO()
    writer.write(content)
    assert texts(content.getvalue()) == ["The fee is 10 euro."]


def test_a_file_that_asks_everybody_for_a_password_is_refused():
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(make_pdf([line(72, 700, "The fee is 10 euro.")]))))
    writer.encrypt("reader", owner_password="owner", algorithm="AES-256")
    content = io.BytesIO()
    writer.write(content)
    with pytest.raises(UnreadableError, match="is encrypted; save it without a password"):
        texts(content.getvalue())
