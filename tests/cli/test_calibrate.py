"""``orbit calibrate`` on a real full-text index."""

import json

import pytest
from click.testing import CliRunner

from orbit.chat.search.relevance import THRESHOLD
from orbit.cli import orbit as orbit_command
from orbit.errors import OrbitError
from orbit.evaluation.calibrating import LOST, _between, calibrate
from orbit.testing import host

SECTIONS = {
    "Booking a holiday": "Holidays are booked with the office two weeks before.",
    "Parking in the yard": "The yard has ten places for cars, and one for bicycles.",
    "Lending a projector": "The projector is lent for a day, against a signature.",
    "Opening hours of the canteen": "The canteen serves lunch from noon until two.",
}
RIGHT = [
    {"question": "When does the canteen serve lunch?", "sources": ["guide.md"]},
    {"question": "How many places for cars has the yard?", "sources": ["guide.md"]},
]
WRONG = [{"question": "Who composed the Magic Flute?", "answerable": False}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrate")
    (folder / "config.yaml").write_text(f"general: {{data_dir: {folder}/data}}\nlexical: {{}}\n")
    (folder / "plain.yaml").write_text(f"general: {{data_dir: {folder}/plain}}\nwordllama: {{}}\nchroma: {{}}\n")
    guide = "# Guide\n\n" + "".join(f"## {title}\n\n{text}\n\n" for title, text in SECTIONS.items())
    (folder / "guide.md").write_text(guide)
    (folder / "right.jsonl").write_text("".join(json.dumps(one) + "\n" for one in RIGHT))
    (folder / "both.jsonl").write_text("".join(json.dumps(one) + "\n" for one in [*RIGHT, *WRONG]))
    for config in ("config.yaml", "plain.yaml"):
        run(folder, "ingest", str(folder / "guide.md"), "--collection", "the-guide", config=config)
    return folder


def run(folder, *arguments, code=0, config="config.yaml"):
    result = CliRunner().invoke(orbit_command, [*arguments, "--config", str(folder / config)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_headings_stand_for_questions_where_there_are_none(folder) -> None:
    proposal = json.loads(run(folder, "calibrate", "the-guide", "--json").stdout)
    assert proposal["drafted"]
    assert proposal["answerable"] == len(SECTIONS)
    (chosen,) = (one for one in proposal["curve"] if one["threshold"] == proposal["threshold"])
    assert chosen["lost"] == 0
    assert chosen["refused"] > 0.8
    assert proposal["threshold"] <= THRESHOLD, "every heading is found with near certainty, and questions are not"
    refused = [one["refused"] for one in proposal["curve"]]
    assert refused == sorted(refused)


def test_it_prints_what_to_write_into_the_configuration(folder) -> None:
    result = run(folder, "calibrate", "the-guide", "--questions", str(folder / "both.jsonl"))
    printed = result.stdout
    assert "From 2 questions that it answers and 1 question about something else." in printed
    assert "too few for a threshold that you can rely on" in result.stderr
    *_, line = printed.strip().splitlines()
    name, _, threshold = line.strip().partition(": ")
    assert name == '"the-guide"'
    text = (folder / "config.yaml").read_text() + f"retrieval: {{thresholds: {{{name}: {threshold}}}}}\n"
    (folder / "tuned.yaml").write_text(text)
    figures = json.loads(
        run(
            folder, "eval", "the-guide", "--questions", str(folder / "both.jsonl"), "--json", config="tuned.yaml"
        ).stdout
    )["runs"][0]["figures"]
    means = {figure["name"]: figure["mean"] for figure in figures}
    assert means["kept"] == means["refused"] == 1


def test_eval_refuses_as_a_client_would_see_it_without_asking_a_model(folder) -> None:
    text = (folder / "config.yaml").read_text() + "retrieval: {threshold: 1.0}\n"
    (folder / "strict.yaml").write_text(text)
    where = ("--questions", str(folder / "right.jsonl"))
    report = json.loads(run(folder, "eval", "the-guide", *where, "--json", config="strict.yaml").stdout)
    assert {one["name"]: one["mean"] for one in report["runs"][0]["figures"]}["kept"] == 0


def test_a_proposal_loses_no_more_than_it_may_however_close_two_questions_are() -> None:
    certain = [0.7, 0.80052, 0.80058, *[0.9] * 97]
    assert sum(one < _between(certain, [0.1, 0.9]) for one in certain) <= LOST * len(certain)


def test_general_questions_stand_for_others_where_the_file_has_none(folder) -> None:
    where = ("--questions", str(folder / "right.jsonl"))
    proposal = json.loads(run(folder, "calibrate", "the-guide", *where, "--json").stdout)
    assert not proposal["drafted"]
    assert proposal["answerable"] == len(RIGHT)
    assert proposal["others"] >= 10


def test_mistakes_are_sentences(folder) -> None:
    assert "no collection 'nope'. Collections: the-guide." in run(folder, "calibrate", "nope", code=1).stderr
    gone = run(folder, "calibrate", "the-guide", "--questions", str(folder / "gone.jsonl"), code=1)
    assert "cannot be read" in gone.stderr


def test_a_store_of_vectors_alone_has_a_threshold_too(folder) -> None:
    where = ("--questions", str(folder / "right.jsonl"))
    proposal = json.loads(run(folder, "calibrate", "the-guide", *where, "--json", config="plain.yaml").stdout)
    assert (proposal["answerable"], proposal["drafted"]) == (len(RIGHT), False)


async def test_scores_of_an_unknown_scale_have_no_threshold(tmp_path) -> None:
    async with host({"echo": {}, "bag": {}, "chroma": {}}, tmp_path) as opened:
        with pytest.raises(OrbitError, match="cannot be compared"):
            await calibrate(opened, "the-guide", [])
