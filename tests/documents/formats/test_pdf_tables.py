"""Tables of PDFs as offices make them: each record is one row, whatever its cells wrap to."""

from itertools import pairwise

import pytest
from pdf_kit import line, make_pdf

from orbit.documents.reading.readers import read

HEAD = ["Article", "Description", "Qty", "Price"]
RECORDS = [
    ["A-101", "Desk lamp with a flexible\narm and a clamp for boards\nup to six centimetres", "12", "34.50"],
    ["B-205", "Office chair", "3", "219.00"],
    ["C-310", "Paper shredder that also takes\nstaples and plastic cards", "140", "1,089.90"],
    ["D-417", "Whiteboard on wheels with a\ntray for pens", "7", "163.25"],
    ["E-512", "Stapler", "55", "8.75"],
]
COLUMNS = (60, 130, 330, 420)
ROWS = [" | ".join(cell.replace("\n", " ") for cell in record) for record in RECORDS]


def width(text: str) -> float:
    return sum(2.78 if one in ".,: " else 5.56 for one in text)


def drawn(records, top=720.0, *, columns=COLUMNS, pad=8.0, leading=12.0, align="top", right=()):
    """Drawing operators of a table, and the heights between its rows. ``right``: columns aligned at the right."""
    operators: list[str] = []
    edges = [top]
    for record in records:
        most = max(cell.count("\n") + 1 for cell in record)
        for column, cell in enumerate(record):
            lines = cell.split("\n")
            spare = {"top": 0, "middle": (most - len(lines)) / 2, "bottom": most - len(lines)}[align] * leading
            for number, text in enumerate(lines):
                x = columns[column] + (60 - width(text) if column in right else 0)
                if text:
                    operators.append(line(x, top - pad / 2 - spare - 10 - number * leading, text))
        top -= most * leading + pad
        edges.append(top)
    return operators, edges


def rule(left: float, top: float, right: float, bottom: float) -> str:
    return f"{left} {top} m {right} {bottom} l S"


def bordered(edges, xs):
    """The borders of all cells."""
    across = [rule(xs[0], edge, xs[-1], edge) for edge in edges]
    return across + [rule(x, edges[0], x, edges[-1]) for x in xs]


def tables(*pages):
    return [section for section in read("a.pdf", make_pdf(*pages)).sections if section.kind == "table"]


@pytest.mark.parametrize("align", ["top", "middle", "bottom"])
@pytest.mark.parametrize("right", [(), (2, 3)])
def test_wrapped_cells_stay_in_their_row_without_borders(align, right):
    (table,) = tables(drawn([HEAD, *RECORDS], align=align, right=right)[0])
    assert table.header == " | ".join(HEAD)
    assert table.text.split("\n") == ROWS


def test_wrapped_cells_stay_in_their_row_where_all_lines_are_equally_far_apart():
    (table,) = tables(drawn([HEAD, *RECORDS], pad=0.0)[0])
    assert table.header == " | ".join(HEAD)
    assert table.text.split("\n") == ROWS


@pytest.mark.parametrize("align", ["top", "middle", "bottom"])
def test_cells_with_borders_hold_what_is_drawn_in_them(align):
    narrow = (64, 112, 246, 270, 330)
    operators, edges = drawn([HEAD, *RECORDS], columns=(66, 114, 248, 262), align=align, pad=4.0, right=(3,))
    (table,) = tables([*operators, *bordered(edges, narrow)])
    assert table.header == " | ".join(HEAD)
    assert table.text.split("\n") == ROWS


def test_borders_drawn_as_boxes_are_borders():
    operators, edges = drawn([HEAD, *RECORDS], pad=4.0)
    xs = (56, 126, 326, 416, 500)
    boxes = [
        f"{left} {bottom} {right - left} {top - bottom} re S"
        for top, bottom in pairwise(edges)
        for left, right in pairwise(xs)
    ]
    (table,) = tables([*boxes, *operators])
    assert table.text.split("\n") == ROWS


def test_rules_between_rows_divide_them():
    operators, edges = drawn([HEAD, *RECORDS], pad=1.0, align="middle")
    (table,) = tables([*operators, *(rule(56, edge, 480, edge) for edge in edges)])
    assert table.header == " | ".join(HEAD)
    assert table.text.split("\n") == ROWS


def test_borders_between_columns_alone_leave_the_rows_apart():
    operators, edges = drawn([HEAD, *RECORDS])
    xs = (56, 126, 326, 416, 500)
    borders = [rule(xs[0], edge, xs[-1], edge) for edge in (edges[0], edges[1], edges[-1])]
    (table,) = tables([*operators, *borders, *(rule(x, edges[0], x, edges[-1]) for x in xs)])
    assert table.header == " | ".join(HEAD)
    assert table.text.split("\n") == ROWS


@pytest.mark.parametrize("borders", [True, False])
def test_names_of_columns_in_two_lines_are_whole_and_repeated_on_each_page(borders):
    head = ["Article\nnumber", "Description", "Pieces\nin stock", "Unit\nprice"]

    def page(records):
        operators, edges = drawn([head, *records])
        return [*operators, *(bordered(edges, (56, 126, 326, 416, 500)) if borders else ())]

    first, second = tables(page(RECORDS[:3]), page(RECORDS[3:]))
    assert first.header == second.header == "Article number | Description | Pieces in stock | Unit price"
    assert first.text.split("\n") == ROWS[:3]
    assert second.text.split("\n") == ROWS[3:]
    assert (first.metadata, second.metadata) == ({"page": 1}, {"page": 2})


@pytest.mark.parametrize(
    ("kept", "rest"),
    [
        (["C-310", "Paper shredder", "140", "1,089.90"], ["", "that also takes staples", "", ""]),
        (["C-310", "Paper shredder that also", "140", "1,089.90"], ["", "takes staples", "", "without tax"]),
        (["C-310", "Paper shred-", "140", "1,089.90"], ["", "ders", "", ""]),
        (["C-310", "", "140", "1,089.90"], ["", "Paper shredder", "", ""]),
    ],
)
@pytest.mark.parametrize("head", [[HEAD], []])
def test_a_row_that_goes_on_overleaf_is_whole(kept, rest, head):
    def page(records):
        operators, edges = drawn(records)
        return [*operators, *bordered(edges, (56, 126, 326, 416, 500))]

    first, second = tables(page([HEAD, *RECORDS[:2], kept]), page([*head, rest, *RECORDS[3:], *RECORDS]))
    whole = [f"{one} {other}".strip().replace("- ders", "ders") for one, other in zip(kept, rest, strict=True)]
    assert first.text.split("\n")[2:] == [" | ".join(whole)]
    assert second.header == " | ".join(HEAD)
    assert second.text.split("\n") == [*ROWS[3:], *ROWS]


def test_a_cell_that_spans_rows_of_two_pages_is_in_each():
    def page(records, spans):
        operators, edges = drawn(records, columns=(60, 130, 330))
        xs = (56, 126, 326, 416)
        across = [rule(xs[1] if number in spans else xs[0], edge, xs[-1], edge) for number, edge in enumerate(edges)]
        return [*operators, *across, *(rule(x, edges[0], x, edges[-1]) for x in xs)]

    head = ["Room", "Day", "Use"]
    first, second = tables(
        page([head, ["North", "Monday", "choir"], ["", "Tuesday", "chess"], ["South", "Monday", "dance"]], {2}),
        page([head, ["", "Friday", "drama"], ["East", "Friday", "chess"], ["West", "Friday", "dance"]], set()),
    )
    assert first.text.split("\n")[1:] == ["North | Tuesday | chess", "South | Monday | dance"]
    assert second.text.split("\n")[0] == "South | Friday | drama"


def test_rows_whose_key_is_above_stay_rows_overleaf():
    def page(records):
        operators, edges = drawn(records, columns=(60, 130, 330))
        return [*operators, *bordered(edges, (56, 126, 326, 416))]

    head = ["Colour", "Shade", "Code"]
    first, second = tables(
        page([head, ["Red", "dark", "r1"], ["", "light", "r2"], ["Blue", "dark", "b1"]]),
        page([head, ["", "light", "b2"], ["Green", "dark", "g1"], ["", "light", "g2"]]),
    )
    assert first.text.split("\n")[-1] == "Blue | dark | b1"
    assert second.text.split("\n") == [" | light | b2", "Green | dark | g1", " | light | g2"]


def test_a_unit_that_wraps_below_its_number_stays_in_the_row():
    units = ["\nEUR", "", "\nEUR", "\nEUR", ""]
    records = [[*record[:3], record[3] + unit] for record, unit in zip(RECORDS, units, strict=True)]
    operators, _ = drawn([HEAD, *records])
    (table,) = tables(operators)
    assert table.text.split("\n") == [row + unit.replace("\n", " ") for row, unit in zip(ROWS, units, strict=True)]


@pytest.mark.parametrize("borders", [True, False])
def test_empty_cells_stay_empty(borders):
    records = [
        ["A-101", "Desk lamp with a flexible\narm and a clamp", "", "34.50"],
        ["B-205", "Office chair", "3", ""],
        ["C-310", "", "140", "1,089.90"],
        ["D-417", "Whiteboard", "", "163.25"],
    ]
    operators, edges = drawn([HEAD, *records])
    (table,) = tables([*operators, *(bordered(edges, (56, 126, 326, 416, 500)) if borders else ())])
    assert table.text.split("\n") == [
        "A-101 | Desk lamp with a flexible arm and a clamp |  | 34.50",
        "B-205 | Office chair | 3 | ",
        "C-310 |  | 140 | 1,089.90",
        "D-417 | Whiteboard |  | 163.25",
    ]


def test_names_of_groups_of_columns_are_in_the_names_of_each():
    head = [["Branch", "2024", "", "2025", ""], ["", "Sales", "Costs", "Sales", "Costs"]]
    records = [["Lyon", "410", "322", "455", "340"], ["Porto", "390", "301", "402", "311"]]
    operators, edges = drawn([*head, *records], columns=(60, 150, 230, 310, 390))
    xs = (56, 146, 226, 306, 386, 466)
    borders = [rule(xs[0], edge, xs[-1], edge) for edge in (edges[0], *edges[2:])]
    borders += [rule(xs[1], edges[1], xs[-1], edges[1])]
    borders += [rule(x, edges[0], x, edges[-1]) for x in (xs[0], xs[1], xs[3], xs[5])]
    borders += [rule(x, edges[1], x, edges[-1]) for x in (xs[2], xs[4])]
    (table,) = tables([*operators, *borders])
    assert table.header == "Branch | 2024 Sales | 2024 Costs | 2025 Sales | 2025 Costs"
    assert table.text.split("\n") == ["Lyon | 410 | 322 | 455 | 340", "Porto | 390 | 301 | 402 | 311"]


@pytest.mark.parametrize("align", ["top", "middle", "bottom"])
@pytest.mark.parametrize("groups", [("2024", "2025"), ("Last half of the year", "This half")])
def test_names_of_groups_of_columns_without_borders_are_in_the_names_of_each(align, groups):
    names = ["Sales", "Costs", "Sales", "Costs"]
    records = [["Lyon", "410", "322", "455", "340"], ["Porto", "390", "301", "402", "311"]]
    middle = 720 - {"top": 0, "middle": 6, "bottom": 12}[align]
    head = [line(60, middle, "Branch")]
    head += [line(place - width(group) / 2, 720, group) for place, group in zip((203, 363), groups, strict=True)]
    head += [*drawn([["", *names]], 722, columns=(60, 150, 230, 310, 390))[0]]
    (table,) = tables([*head, *drawn(records, 702, columns=(60, 150, 230, 310, 390))[0]])
    assert table.header == " | ".join(["Branch", *(f"{groups[n // 2]} {name}" for n, name in enumerate(names))])
    assert table.text.split("\n") == [" | ".join(record) for record in records]


@pytest.mark.parametrize("bars", [True, False])
def test_a_table_that_a_report_draws_with_signs_has_its_rows(bars):
    dashes = "-" * 70
    rows = [["Material", "Description", "Store", "Stock"], ["100-100", "Casing", "0001", "1.250"]]
    rows += [["100-110", "Slug for casing", "0001", "310"], ["100-130", "Screw M10", "0002", "99.400"]]
    total = ["* Total", "", "", "100.960"]
    report = ["Stock of the plant in Lyon", dashes, rows[0], dashes, *rows[1:], dashes, total, dashes]
    operators = []
    for number, row in enumerate(report):
        y = 720 - 9 * number
        if isinstance(row, str):
            operators.append(line(60, y, row, 8))
            continue
        for x, cell in zip((60, 130, 230, 290, 340), (*row, ""), strict=True):
            operators += [line(x, y, "|", 8)] * bars + [line(x + 5, y, cell, 8)] * bool(cell)
    (table,) = tables(operators)
    assert table.header == " | ".join(rows[0])
    assert table.text.split("\n") == [" | ".join(row) for row in (*rows[1:], total)]


def test_a_cell_that_spans_rows_is_in_each():
    records = [["Kitchen", "Kettle", "2"], ["", "Toaster", "1"], ["Office", "Lamp", "9"], ["", "Desk", "4"]]
    operators, edges = drawn([["Room", "Thing", "Pieces"], *records], columns=(60, 150, 250))
    xs = (56, 146, 246, 320)
    borders = [rule(xs[0], edges[n], xs[-1], edges[n]) for n in (0, 1, 3, 5)]
    borders += [rule(xs[1], edges[n], xs[-1], edges[n]) for n in (2, 4)]
    (table,) = tables([*operators, *borders, *(rule(x, edges[0], x, edges[-1]) for x in xs)])
    assert table.text.split("\n") == [
        "Kitchen | Kettle | 2",
        "Kitchen | Toaster | 1",
        "Office | Lamp | 9",
        "Office | Desk | 4",
    ]


PROSE = [
    "The warehouse in the harbour keeps",
    "all goods for at most thirty days and",
    "sends what nobody has asked for back",
    "to the branch that it came from, at the",
    "expense of that branch. Ask the head of",
    "the warehouse for anything that is large",
    "or that must be kept cold, because there",
    "is little room for it in the old building.",
]


@pytest.mark.parametrize("borders", [True, False])
def test_a_table_beside_prose_has_its_own_rows(borders):
    prose = [line(56, 706 - 13 * number, text) for number, text in enumerate(PROSE)]
    records = [["Lamp", "12", "34.50"], ["Chair", "3", "219.00"], ["Stapler", "55", "8.75"]]
    operators, edges = drawn([["Thing", "Pieces", "Price"], *records], columns=(330, 410, 480))
    content = make_pdf([*prose, *operators, *(bordered(edges, (326, 406, 476, 540)) if borders else ())])
    sections = read("a.pdf", content).sections
    (table,) = (section for section in sections if section.kind == "table")
    assert table.header == "Thing | Pieces | Price"
    assert table.text.split("\n") == ["Lamp | 12 | 34.50", "Chair | 3 | 219.00", "Stapler | 55 | 8.75"]
    assert "\n".join(PROSE) in "\n".join(section.text for section in sections)


def test_groups_of_rows_stay_rows():
    records = [["Lamp", "12", "34.50"], ["Chair", "3", "219.00"], ["Desk", "1", "399.00"]]
    first, edges = drawn([["Thing", "Pieces", "Price"], *records], columns=(60, 200, 300), pad=2.0)
    second, _ = drawn([["Pen", "70", "1.20"], ["Ruler", "8", "2.40"]], edges[-1] - 8, columns=(60, 200, 300), pad=2.0)
    (table,) = tables([*first, *second])
    assert [row.partition(" ")[0] for row in table.text.split("\n")] == ["Lamp", "Chair", "Desk", "Pen", "Ruler"]


def test_a_title_in_the_first_row_is_no_name_of_a_column():
    operators, edges = drawn(
        [
            ["Stock of the branch in Lyon", "", ""],
            ["Thing", "Shelf", "Pieces"],
            ["Lamp", "B", "12"],
            ["Desk", "C", "3"],
        ],
        columns=(60, 200, 300),
    )
    xs = (56, 196, 296, 380)
    borders = [rule(xs[0], edge, xs[-1], edge) for edge in edges]
    borders += [rule(x, edges[0], x, edges[-1]) for x in (xs[0], xs[-1])]
    borders += [rule(x, edges[1], x, edges[-1]) for x in xs[1:-1]]
    title, table = read("a.pdf", make_pdf([*operators, *borders])).sections
    assert title.text == "Stock of the branch in Lyon"
    assert table.header == "Thing | Shelf | Pieces"


def test_names_of_columns_in_three_lines_around_those_in_one_are_whole():
    head = [["Article", "Description", "Pieces\nin stock", "Unit\nprice\n(EUR)"]]
    operators, _ = drawn(head, align="middle")
    rows, _ = drawn(RECORDS, 720 - 44)
    (table,) = tables([line(60, 760, "What we sell, and for how much"), *operators, *rows])
    assert table.header == "Article | Description | Pieces in stock | Unit price (EUR)"
    assert table.text.split("\n") == ROWS


@pytest.mark.parametrize("borders", [True, False])
@pytest.mark.parametrize("start", [0, 1])
def test_rows_whose_text_is_in_their_middle_are_whole_as_browsers_print_price_lists(borders, start):
    head = ["Material", "Description", "Unit", "Price", "Rebate from\n10 pieces"]
    records = [
        ["A-100", "Screw", "piece", "1.50 EUR", "0 %"],
        ["A-101", "Rubber ring for pipes", "box", "162.10\nEUR", "5 %"],
        ["A-102", "Angle", "metre", "89.10 EUR", "10 %"],
        ["A-103", "Cable ties, black, that last\nlong in sun and rain\nand frost", "box", "154.80\nEUR", "5 %"],
        ["A-104", "Lamp", "piece", "45.30 EUR", "15 %"],
    ]
    records = records[start:]
    operators, edges = drawn([head, *records], columns=(60, 105, 280, 340, 400), pad=5.0, align="middle")
    (table,) = tables([*operators, *(bordered(edges, (57, 100, 276, 336, 396, 480)) if borders else ())])
    assert table.header == "Material | Description | Unit | Price | Rebate from 10 pieces"
    assert table.text.split("\n") == [" | ".join(cell.replace("\n", " ") for cell in record) for record in records]


def test_rows_beside_a_cell_that_spans_them_stay_rows():
    rows = [["", "Kettle", "2", "9.50"], ["Kitchen", "", "", ""], ["", "Toaster", "1", "8.20"]]
    operators = [
        line(x, 700 - 7 * number, text)
        for number, row in enumerate(rows)
        for x, text in zip((60, 150, 250, 320), row, strict=True)
        if text
    ]
    text = read("a.pdf", make_pdf(operators)).sections[0].text
    assert "Kettle Toaster" not in text
    assert "2 1" not in text


def test_a_hyphen_at_which_a_cell_wraps_stays():
    records = [["A-\n101", "Desk lamp", "12"], ["B-\n205", "Office chair", "3"], ["C-\n310", "Stapler", "55"]]
    (table,) = tables(drawn([["Article", "Description", "Pieces"], *records], columns=(60, 200, 300))[0])
    assert table.text.split("\n")[0] == "A-101 | Desk lamp | 12"


@pytest.mark.parametrize("far", ["9" * 39, "-" + "9" * 39, "9" * 20])
def test_text_that_is_drawn_far_away_is_read(far):
    there = [f"BT /F1 10 Tf 1 0 0 1 72 {700 - 12 * n} Tm (one) Tj {far} 0 Td (two) Tj ET" for n in range(5)]
    rules = [rule(float(72), 700, 300, 700), f"{far} 700 m 72 {far} l S", f"72 600 {far} 2 re S"]
    assert "one" in read("a.pdf", make_pdf([*there, *rules])).sections[0].text


@pytest.mark.parametrize(("turn", "rotate"), [("0 1 -1 0", 90), ("0 -1 1 0", 270)])
def test_a_table_on_its_side_has_its_rows(turn, rotate):
    cells = [["Thing", "Shelf", "Pieces"], ["Lamp with\nan arm", "B", "12"], ["Desk", "C", "3"], ["Pen", "A", "70"]]
    xs, tops = (60, 150, 230, 300), (100, 116, 146, 162, 178)
    place = (lambda x, y: (y, x)) if rotate == 90 else (lambda x, y: (612 - y, 792 - x))
    operators = [
        line(*place(xs[column] + 4, tops[row] + 12 + 12 * number), text, turn=turn)
        for row, record in enumerate(cells)
        for column, cell in enumerate(record)
        for number, text in enumerate(cell.split("\n"))
    ]
    borders = [rule(*place(xs[0], top), *place(xs[-1], top)) for top in tops]
    borders += [rule(*place(x, tops[0]), *place(x, tops[-1])) for x in xs]
    (table,) = (
        one for one in read("a.pdf", make_pdf([*operators, *borders], rotate=rotate)).sections if one.kind == "table"
    )
    assert table.header == "Thing | Shelf | Pieces"
    assert table.text.split("\n") == ["Lamp with an arm | B | 12", "Desk | C | 3", "Pen | A | 70"]
