"""Passages: tables repeat their header, and each knows its row or line."""

import re

import pytest

from orbit.config.model import Ingest
from orbit.documents.sections import Content, Section
from orbit.documents.split import documents, passages


def passages_of(*sections, **settings):
    return passages("a.txt", Content(sections), "digest", Ingest(**settings))


def test_each_passage_of_a_table_repeats_the_header_and_knows_its_row():
    rows = "\n".join(f"M{number} | {number * 3} | {number * 2}" for number in range(1, 101))
    table = Section(rows, header="Screw | Steel | Alu", kind="table", metadata={"sheet": "Torque", "row": 2})
    found = passages_of(table, chunk_size=300)
    assert len(found) > 3
    read: list[str] = []
    for passage in found:
        above, body = passage.text.split("\n\n", 1)
        header, *lines = body.split("\n")
        assert (above, header) == ("a", "Screw | Steel | Alu")
        assert passage.metadata == {"sheet": "Torque", "row": len(read) + 2}
        assert len(passage.text) <= 300
        read += lines
    assert "\n".join(read) == rows


def test_a_header_that_the_text_repeats_is_there_once():
    (passage,) = passages_of(Section("| a | b |\n|---|---|\n| 1 | 2 |", header="| a | b |\n|---|---|", kind="table"))
    assert passage.text == "a\n\n| a | b |\n|---|---|\n| 1 | 2 |"


@pytest.mark.parametrize("columns", [3, 200])
def test_each_part_of_a_row_repeats_its_first_cell(columns):
    """Without it nobody knows which row the other parts belong to, whether the header is repeated or not."""
    names = ["Key", *(f"Column {number}" for number in range(columns))]
    rows = [[f"K{row}", *(f"{'v' * (1_500 // columns)}{row}" for _ in range(columns))] for row in range(3)]
    header, *lines = (" | ".join(cells) for cells in (names, *rows))
    found = passages("a.xlsx", Content((Section("\n".join(lines), header=header, kind="table"),)), "d", Ingest())
    bodies = [document.text.removeprefix("a\n\n").removeprefix(f"{header}\n") for document in found]
    assert len(bodies) > 5
    assert {body.removeprefix("Key: ")[:2] for body in bodies} == {"K0", "K1", "K2"}


def test_in_a_wide_table_each_row_names_its_columns():
    names = [f"a long name of column {number}" for number in range(40)]
    rows = "\n".join(" | ".join(f"v{row}.{number}" for number in range(40)) for row in range(5))
    found = passages_of(Section(rows, header=" | ".join(names), kind="table"), chunk_size=400)
    whole = "\n".join(passage.text for passage in found)
    for row in range(5):
        for number in range(40):
            assert f"a long name of column {number}: v{row}.{number}" in whole


@pytest.mark.parametrize("above", ["Year 2024" + " | " * 30, " | ".join(["", *("2023", "2024"), *("", "2025")] * 6)])
def test_a_wide_table_has_its_names_in_the_last_of_several_rows(above):
    names = [f"name of column {number}" for number in range(30)]
    rows = " | ".join(f"v{number}" for number in range(30))
    found = passages_of(Section(rows, header=f"{above}\n{' | '.join(names)}", kind="table"), chunk_size=400)
    whole = "\n".join(passage.text for passage in found)
    for number in range(30):
        group = "" if "Year" in above or not number else ("2025 ", "2023 ", "2024 ", "2024 ", "2025 ")[number % 5]
        assert f"{group}name of column {number}: v{number}" in whole


def test_an_empty_first_cell_of_a_wide_table_keeps_the_others_in_their_columns():
    names = [f"a long name of column {number}" for number in range(30)]
    (first, second) = (" | ".join([cell, *(f"v{number}" for number in range(1, 30))]) for cell in ("v0", ""))
    found = passages_of(Section(f"{first}\n{second}", header=" | ".join(names), kind="table"), chunk_size=400)
    whole = "\n".join(passage.text for passage in found)
    pairs = re.findall(r"column (\d+): v(\d+)", whole)
    assert len(pairs) > 59
    assert all(column == value for column, value in pairs)


def test_a_long_cell_is_cut_between_words_with_the_header():
    found = passages_of(Section("word " * 200, header="Note", kind="table"), chunk_size=100)
    assert len(found) > 8
    assert all(passage.text.startswith("a\n\nNote\nword word") for passage in found)
    assert sum(passage.text.count("word") for passage in found) == 200


def test_passages_of_text_with_lines_know_their_line():
    lines = [f"line {number} says something" for number in range(1, 301)]
    found = passages_of(Section("\n".join(lines), metadata={"line": 1}), chunk_size=200)
    assert len(found) > 20
    for passage in found:
        first = passage.text.split("\n\n", 1)[1].split("\n")[0]
        assert lines[int(passage.metadata["line"]) - 1].endswith(first)


def test_code_keeps_its_indentation():
    code = "\n".join(f"def f{number}():\n    x = {number}\n    return x\n" for number in range(50))
    found = passages_of(Section(code, kind="code", metadata={"line": 1}), chunk_size=200)
    bodies = [passage.text.split("\n\n", 1)[1] for passage in found]
    assert "\n".join(bodies).replace("\n", "") == code.replace("\n", "")
    for passage, body in zip(found, bodies, strict=True):
        assert code.split("\n")[int(passage.metadata["line"]) - 1] == body.split("\n")[0]


def test_letters_and_their_accents_are_one_character_in_every_passage():
    (passage,) = passages("a.txt", Content((Section("Cafe\u0301", ("Re\u0301gime",)),)), "d", Ingest())
    assert passage.text == "a > Régime\n\nCafé"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Donau\u00addampf\u00adschiff", "Donaudampfschiff"),
        ("\u200bTravel\u200b | \u200bFee\u200b\u200b\n\u200b58", "Travel | Fee\n58"),
        ("Zero\u200bWidth und\u2060Wort\ufeff", "ZeroWidth undWort"),
        ("\u0e20\u0e32\u200b\u0e44\u0e17\u0e22", "\u0e20\u0e32\u200b\u0e44\u0e17\u0e22"),
        ("\x1b[31mERR\x1b[0m disk\x07", "ERR disk"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x1b\\ text", "link text"),
        ("page one\fpage two", "page one\npage two"),
        ("5\u00a0km, 1\u202f000 E\u2011Mails", "5 km, 1 000 E-Mails"),
    ],
)
def test_characters_that_nobody_sees_divide_no_words(text, kept):
    (passage,) = documents("a.txt", [Section(text)], "d")
    assert passage.text == kept


def test_a_text_that_nobody_sees_is_no_passage():
    assert not documents("a.txt", [Section("\u00ad\u2060\x1b[0m \n", ("Title",))], "d")
