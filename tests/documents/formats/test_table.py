"""CSV to passages: no cell of any row is lost."""

import pytest

from orbit.config.model import Ingest
from orbit.documents.reading.readers import read
from orbit.documents.sections import UnreadableError
from orbit.documents.split import passages


def rows(content):
    return [section.text for section in read("a.csv", content.encode()).sections]


def test_rows_longer_than_the_names_keep_their_cells():
    assert rows("Name,Phone\nAda,555-1,Room 12\nBob\n,,Room 13\n") == [
        "Name: Ada\nPhone: 555-1\nRoom 12",
        "Name: Bob",
        "Room 13",
    ]
    assert rows("Name,,Phone\nAda,red,5\n") == ["Name: Ada\nred\nPhone: 5"]


def test_the_delimiter_that_excel_names_is_no_row():
    assert rows("sep=;\nName;Price\nApples;3,5\n") == ["Name: Apples\nPrice: 3,5"]
    assert rows("sep=^\r\nName^Price\r\nApples^3\r\n") == ["Name: Apples\nPrice: 3"]
    assert rows("SEP=;\nName;Price\nApples;3,5\n") == ["Name: Apples\nPrice: 3,5"]


def test_a_cell_in_quotes_may_follow_a_space():
    assert rows('Name, Room\nAnna, "12, left"\nBen, 13\n') == ["Name: Anna\nRoom: 12, left", "Name: Ben\nRoom: 13"]


def test_rows_above_the_names_are_the_title():
    found = read("a.csv", b"Price list 2025;;\n;;\nName;Price;Unit\nApples;3;kg\n")
    assert found.title == "Price list 2025"
    assert [section.text for section in found.sections] == ["Price list 2025", "Name: Apples\nPrice: 3\nUnit: kg"]
    assert found.sections[1].metadata == {"row": 1}


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("a;b,c;d\n1;2,5;3\n1;2,6;3\n", "a: 1\nb,c: 2,5\nd: 3"),
        ("a\tb, c\n1\t2, 3\n", "a: 1\nb, c: 2, 3"),
        ('a,b\n"1;2;3;4",5\n"1;2;3;4",6\n', "a: 1;2;3;4\nb: 5"),
        ("a|b\n1|2\n", "a: 1\nb: 2"),
        ("Names\nAda, Countess\nBob\n", "Names: Ada, Countess"),
    ],
)
def test_the_delimiter_is_the_one_that_divides_the_rows(content, row):
    assert rows(content)[0].replace("\nCountess", ", Countess") == row


def test_a_delimiter_in_doubt_is_named():
    (warning,) = read("a.csv", b"a;b,c\n1;2,3\n").warnings
    assert "The delimiter may be the" in warning


def test_a_damaged_row_costs_only_itself():
    found = read("a.csv", b'Name,Note\nAda,"fine"\nBob,"open\nEve,5" pipe\n"Cid"x,y\nDan,"last"\n')
    assert [section.text for section in found.sections][0::4] == ["Name: Ada\nNote: fine", "Name: Dan\nNote: last"]
    assert "line 3, 5" in found.warnings[0]
    assert all(name in str(found.sections) for name in ("Bob", "Eve", "Cid"))


def test_an_open_quotation_mark_does_not_swallow_the_file():
    lines = "\n".join(f"P{n},{n}" for n in range(500))
    found = rows(f'Name,Note\nAda,"open\n{lines}\n')
    assert len(found) == 501
    assert found[-1] == "Name: P499\nNote: 499"


def test_a_file_of_open_quotation_marks_does_not_take_for_ever():
    assert len(rows("Name,Note\n" + 'Ada,"open\n' * 20_001)) > 1000


def test_large_cells_and_wide_rows_are_read():
    assert "word" * 100_000 in rows(f"a,b\nx,{'word' * 100_000}\n")[0]
    assert rows(",".join(f"c{n}" for n in range(5_000)) + "\n" + ",".join("1" * 5_000) + "\n")[0].endswith("c4999: 1")


def test_a_table_without_rows_is_refused():
    with pytest.raises(UnreadableError, match="without rows"):
        read("a.csv", b"name,phone\n")


def test_rows_of_names_and_values_above_the_columns_are_the_title():
    content = "Bericht: Umsatz\nErstellt von;Anna\n\nRegion;Q1;Q2;Q3\nNord;1;2;3\nSüd;4;5;6\n"
    assert rows(content) == [
        "Bericht: Umsatz\nErstellt von Anna",
        "Region: Nord\nQ1: 1\nQ2: 2\nQ3: 3",
        "Region: Süd\nQ1: 4\nQ2: 5\nQ3: 6",
    ]
    assert rows("Datum,Mai\nPos,Menge,Preis,Ort\na,1,2,x\n")[1] == "Pos: a\nMenge: 1\nPreis: 2\nOrt: x"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("2024-01-01,12.5,ok\n2024-01-02,13.1,ok\n2024-01-03,9.0,bad\n", "2024-01-01\n12.5\nok"),
        ("1;Tee\n2;Kaffee\n3;Kakao\n", "1\nTee"),
        ("08:00|Anna\n09:30|Bert\n10:00|Cid\n", "08:00\nAnna"),
    ],
)
def test_a_table_without_names_of_columns_has_none(content, expected):
    found = read("a.csv", content.encode())
    assert [found.sections[0].text, found.sections[0].metadata] == [expected, {"row": 1}]
    assert len(found.sections) == 3


@pytest.mark.parametrize("names", ["Region,2023,2024", "Tag,1.1.2024,1.2.2024", "Typ 1,Typ 2,Typ 3"])
def test_numbers_in_the_names_of_columns_are_no_record(names):
    first, *others = names.split(",")
    assert rows(f"{names}\nNord,5,6\nSüd,7,8\nOst,9,10\n")[0] == f"{first}: Nord\n{others[0]}: 5\n{others[1]}: 6"


def test_the_line_of_the_delimiter_may_be_quoted_or_after_a_mark():
    assert rows('"sep=;"\nNom;Prix\nPomme;3,50\n') == ["Nom: Pomme\nPrix: 3,50"]
    assert read("a.csv", "\ufeffsep=\t\nA\tB\n1\t2\n".encode("utf-16")).sections[0].text == "A: 1\nB: 2"


def test_each_passage_of_a_long_row_names_it():
    words = " ".join(f"word{number}" for number in range(1_000))
    content = f"Part,Manual\nPump 7,{words}\nPump 8,short\n".encode()
    found = passages("a.csv", read("a.csv", content), "d", Ingest())
    assert len(found) > 5
    assert all(passage.text.startswith("a > Part: Pump 7\n\n") for passage in found[:-1])
    assert found[-1].text == "Part: Pump 8\nManual: short"
    whole = " ".join(passage.text for passage in found)
    assert all(f"word{number}" in whole for number in range(1_000))


def test_another_table_may_begin_below_an_empty_row():
    assert rows("Name;Price\nTea;3\n;\nTown;Code\nRome;187\n;\nOslo;150\n") == [
        *("Name: Tea\nPrice: 3", "Town: Rome\nCode: 187", "Town: Oslo\nCode: 150"),
    ]
