"""At most one of near-duplicates reaches the model; two versions that differ in anything that matters both do."""

from __future__ import annotations

from pathlib import Path

import pytest
from actor_kit import turn

import orbit
from orbit import Document
from orbit.chat.search.duplicates import distinct
from orbit.config.model import Ingest
from orbit.documents import ingest_paths
from orbit.evaluation.asking import searching
from orbit.testing import host

CONTEXT = orbit.CallContext("test", collection="books")
POLICY = (
    "Employees may work from home on {days} days a week. They tell their team on the day before and are reachable by "
    "telephone between nine and four. The company pays {fee} euros a month for the desk, the chair and electricity."
)


def kept(*texts: str, question: str = "") -> list[str]:
    given = [Document(str(number), text, f"{number}.md") for number, text in enumerate(texts)]
    return [one.id for one in distinct(given, question)]


def test_only_what_says_the_same_is_left_out() -> None:
    texts = ("Rules of 2022: 120 euros.", "rules of 2022 - 120 Euros", "Rules of 2023: 140 euros.", "?", "!")
    assert kept(*texts) == ["0", "2", "3", "4"]


def test_what_a_longer_passage_before_says_is_left_out() -> None:
    texts = ("Dogs pay half. Cats travel free, in a basket.", "cats travel free", "Cats travel", "ats travel free")
    assert kept(*texts) == ["0", "3"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Keep it at 5 °C.", "Keep it at -5 °C."),
        ("The load is < 5 kg.", "The load is > 5 kg."),
        ("A fee of 5 %.", "A fee of 5 €."),
        ("दो दिन पहले", "दे दिन पहले"),
        ("الكتَاب", "الكتِاب"),
        ("Ingest café", "Ingest cafe"),
    ],
)
def test_signs_and_vowels_tell_texts_apart(one: str, other: str) -> None:
    assert kept(one, other) == ["0", "1"]


@pytest.mark.parametrize(
    ("header", "other"),
    [
        ("Working from home", "Intranet: working from home"),
        ("Working from home", "Copy of the staff handbook\nFacilities"),
        ("", "Working from home"),
        ("Handbook 2024", "Handbook 2024, printed"),
    ],
)
def test_a_copy_under_another_header_is_left_out(header: str, other: str) -> None:
    body = POLICY.format(days=2, fee=40)
    for texts in ((f"{header}\n\n{body}", f"{other}\n\n{body}"), (f"{other}\n\n{body}", f"{header}\n\n{body}")):
        assert kept(*texts) == ["0"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Home\n\n" + POLICY.format(days=2, fee=40), "Home\n\n" + POLICY.format(days=3, fee=40)),
        ("Home\n\n" + POLICY.format(days=2, fee=40), "Intranet\n\n" + POLICY.format(days=2, fee=45)),
        ("Policy of 2023\n\n" + POLICY.format(days=2, fee=40), "Policy of 2024\n\n" + POLICY.format(days=2, fee=40)),
        ("Allowed.\n\n" + POLICY.format(days=2, fee=40), "Forbidden.\n\n" + POLICY.format(days=2, fee=40)),
        ("- Monday\n" + POLICY.format(days=2, fee=40), "- Tuesday\n" + POLICY.format(days=2, fee=40)),
        (POLICY.format(days=2, fee=40) + " Not on Monday.", POLICY.format(days=2, fee=40) + " Not on Friday."),
        ("Berlin\n\nOpen from nine to four", "Munich\n\nOpen from nine to four"),
    ],
)
def test_versions_stay_both(one: str, other: str) -> None:
    assert kept(one, other) == ["0", "1"]


def test_a_header_that_the_question_names_is_no_copy() -> None:
    body = POLICY.format(days=2, fee=40)
    texts = f"Berlin office\n\n{body}", f"Munich office\n\n{body}"
    assert kept(*texts, question="May I work from home?") == ["0"]
    assert kept(*texts, question="Do Berlin and Munich have the same rules?") == ["0", "1"]


def test_the_passage_that_stays_names_the_files_of_the_others_once() -> None:
    texts = [("a.md", "Cats travel free."), ("b.md", "Dogs pay half."), ("c.md", "Cats travel free"), ("a.md", "cats")]
    texts += [("c.md", "travel free"), ("", "Dogs pay half.")]
    found = distinct([Document(str(number), text, source) for number, (source, text) in enumerate(texts)])
    assert [(one.source, one.also) for one in found] == [("a.md", ("c.md",)), ("b.md", ())]


def test_headings_within_a_file_tell_passages_apart() -> None:
    body = POLICY.format(days=2, fee=40)
    places = [("a.md", "Trainees"), ("a.md", "Managers"), ("b.md", "Managers")]
    given = [
        Document(str(n), f"Home > {heading}\n\n{body}", source, "Home", metadata={"heading": heading})
        for n, (source, heading) in enumerate(places)
    ]
    assert [one.id for one in distinct(given)] == ["0", "1"]


@pytest.mark.parametrize("expand", [0, 2])
async def test_files_that_were_copied_reach_the_model_once_and_versions_both(tmp_path: Path, expand: int) -> None:
    files = tmp_path / "files"
    files.mkdir()
    more = (
        "\n\nWhoever works from abroad asks the personnel department first, because taxes and insurance depend on it."
    )
    for name, text in {
        "policy": POLICY.format(days=2, fee=40) + more,
        "policy (1)": POLICY.format(days=2, fee=40) + more,
        "from the intranet": POLICY.format(days=2, fee=40) + more,
        "new policy": POLICY.format(days=3, fee=40) + more,
    }.items():
        (files / f"{name}.md").write_text(text, "utf-8")
    question = "How many days may employees work from home, and whom do they ask when they work from abroad?"
    retrieval = {"threshold": 0, "max_documents": 8, "expand": expand}
    async with host({"echo": {}, "lexical": {}, "retrieval": retrieval}, tmp_path / "data") as opened:
        await ingest_paths(opened, "books", [files], Ingest(chunk_size=300, readers=1), CONTEXT)
        found = await searching(opened).search(turn(question, collection="books"))
    old = next(one for one in found if "on 2 days a week" in one.text)
    assert {old.source, *(old.also or ())} == {"policy.md", "policy (1).md", "from the intranet.md"}
    text = "\n".join(one.text for one in found)
    assert text.count("Whoever works from abroad") == 1
    assert (text.count("on 2 days a week"), text.count("on 3 days a week")) == (1, 1)
