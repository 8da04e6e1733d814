"""A passage and its neighbours read as one text: nothing that ingestion repeats is there twice."""

import pytest

from orbit.chat.prompt.joining import Joined, joined
from orbit.config.model import Ingest
from orbit.documents.reading.readers import read
from orbit.documents.split import passages
from orbit.types import Document


def passage(text: str, name: str = "a", heading: str = "") -> Document:
    return Document(name, text, "guide.md", "Guide", metadata={"heading": heading} if heading else {})


def text_of(*texts: str, headings: tuple[str, ...] = ("",) * 3) -> str:
    parts = [passage(text, str(n), heading) for n, (text, heading) in enumerate(zip(texts, headings, strict=False))]
    return joined(parts[1], parts[:1], parts[2:]).text


def test_a_passage_without_neighbours_stays_as_it_is() -> None:
    alone = passage("Guide\n\nOpen daily.")
    assert joined(alone, (), ()) is alone


def test_a_joined_passage_is_still_itself_and_knows_its_own_text() -> None:
    alone = passage("Guide\n\nOpen daily.", "a", "Hours")
    found = joined(alone, (), [passage("Guide\n\nClosed on Sunday.", "b")])
    assert isinstance(found, Joined)
    assert (found.id, found.source, found.metadata, found.alone) == ("a", "guide.md", {"heading": "Hours"}, alone)


def test_equal_headings_are_there_once_and_others_stay() -> None:
    found = text_of(
        "Guide > Hours\n\nOpen daily.",
        "Guide > Hours\n\nClosed at night.",
        "Guide > Fees\n\nFree.",
        headings=("Hours", "Hours", "Fees"),
    )
    assert found == "Guide > Hours\n\nOpen daily.\n\nClosed at night.\n\nGuide > Fees\n\nFree."


def test_what_overlaps_is_there_once() -> None:
    assert text_of("One two three. Four five six.", "Four five six. Seven.") == "One two three. Four five six. Seven."


def test_a_few_letters_are_no_overlap() -> None:
    assert text_of("The first ends", "ends the second.") == "The first ends\n\nends the second."


def test_a_table_has_its_header_once() -> None:
    header = "| day | hours |\n|---|---|\n"
    found = text_of(f"Guide\n\n{header}| Mo | 9 |", f"Guide\n\n{header}| Tu | 9 |", f"Guide\n\n{header}| Tu | 9 |")
    assert found == f"Guide\n\n{header}| Mo | 9 |\n| Tu | 9 |\n| Tu | 9 |"


@pytest.mark.parametrize("rows", [("name: Bo\nage: 3", "name: Bo\nage: 4"), ("| Mo | 9 |\n| x |", "| Mo | 9 |\n| y |")])
def test_rows_that_begin_alike_lose_nothing(rows: tuple[str, str]) -> None:
    assert text_of(*rows) == "\n\n".join(rows)


@pytest.mark.parametrize("name", ["guide.md", "guide.txt"])
def test_what_ingestion_splits_joins_to_the_file_again(name: str) -> None:
    prose = " ".join(f"Sentence number {n} says something of its own." for n in range(40))
    table = "\n".join(["| n | square |", "|---|---|", *(f"| {n} | {n * n} |" for n in range(80))])
    text = f"# Guide\n\n{prose}\n\n## Squares\n\n{table}\n"
    parts = passages(name, read(name, text.encode()), "1", Ingest(chunk_size=400))
    assert len(parts) > 5
    read_back = (
        text.replace("# Guide", "Guide").replace("## Squares", "Guide > Squares")
        if name == "guide.md"
        else f"guide\n\n{text}"
    )
    assert joined(parts[0], (), parts[1:]).text.split() == read_back.split()
