"""Where a passage is in its source, for the model, the client and the log."""

from orbit import Document
from orbit.chat.locations import heading_of, location_of, named
from orbit.chat.prompt.prompting import build, sources_of


def test_a_passage_is_named_by_its_file_and_place() -> None:
    fees = Document("1", "t", "fees/2024.xlsx", metadata={"sheet": "Prices", "row": 7, "heading": "Prices"})
    assert named(fees) == "fees/2024.xlsx, sheet Prices, row 7"
    assert named(Document("1", "t", "leave.pdf", metadata={"page": 3, "author": "Ada"})) == "leave.pdf, page 3"
    assert named(Document("1", "t", "talk.pptx", metadata={"slide": 2})) == "talk.pptx, slide 2"
    assert named(Document("1", "t", "server.log", metadata={"line": 90})) == "server.log, line 90"
    assert named(Document("1", "t")) == ""


def test_a_name_is_one_line_of_limited_length() -> None:
    name = named(Document("1", "t", f"{'a' * 500}/two\nlines.md"))
    assert name.endswith("/two lines.md")
    assert len(name) <= 200


def test_metadata_of_foreign_stores_does_no_harm() -> None:
    odd = Document("1", "t", "a.md", metadata={"heading": 7, "page": "", "row": 2.5})
    assert (heading_of(odd), location_of(odd)) == ("", {"row": 2.5})


def test_the_model_can_tell_two_editions_of_a_policy_apart() -> None:
    policies = [
        Document(year, "Travel policy > Hotels\n\nAt most 140 euro.", f"travel-policy-{year}.md")
        for year in ("2022", "2023")
    ]
    (_, asked) = build("", (), "Which is newer?", policies)
    assert '<passage number="1">\nSource: travel-policy-2022.md\n\nTravel policy > Hotels' in asked.content
    assert '<passage number="2">\nSource: travel-policy-2023.md\n\nTravel policy > Hotels' in asked.content


def test_the_source_of_an_answer_has_heading_and_place() -> None:
    (source,) = sources_of([Document("1", "t", "leave.pdf", metadata={"page": 3, "heading": "Leave > Parents"})])
    assert (source.heading, source.location) == ("Leave > Parents", {"page": 3})
