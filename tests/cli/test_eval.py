"""``orbit eval`` on a real embedded store, with a model behind OpenAI's wire or none."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from openai_kit import served_wire

from orbit.cli import orbit as orbit_command

SAMPLES = Path(__file__).parents[1] / "data" / "ingest"
QUESTIONS = [
    {"question": "When do ferries leave in winter?", "sources": ["guide/harbour.md"], "language": "en"},
    {"question": "Wie hoch ist der Goldpreis in Peru?", "answerable": False, "language": "de"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eval")
    config = f"general: {{data_dir: {folder}/data}}\nchroma: {{collection: docs}}\nwordllama: {{}}\n"
    (folder / "search.yaml").write_text(config)
    (folder / "echo.yaml").write_text(config + "echo: {}\n")
    shutil.copytree(SAMPLES, folder / "docs")
    (folder / "questions.jsonl").write_text("".join(json.dumps(one) + "\n" for one in QUESTIONS))
    run(folder, "ingest", str(folder / "docs"), "--collection", "docs", "--config", str(folder / "search.yaml"))
    return folder


def run(folder, *arguments, code=0):
    result = CliRunner().invoke(orbit_command, list(arguments))
    assert result.exit_code == code, (result.output, result.exception)
    return result


def measure(folder, *arguments, config="search.yaml", code=0, questions="questions.jsonl"):
    where = ("--questions", str(folder / questions), "--config", str(folder / config))
    return run(folder, "eval", "docs", *where, *arguments, code=code)


def test_searching_needs_no_model(folder) -> None:
    report = json.loads(measure(folder, "--json").stdout)
    (one,) = report["runs"]
    means = {figure["name"]: figure["mean"] for figure in one["figures"]}
    assert (means["R@1"], means["kept"], means["refused"], means["failed"]) == (1, 1, 1, 0)
    assert [group["name"] for group in one["languages"]] == ["de", "en"]
    assert report["differences"] == []


def test_two_configurations_side_by_side_with_answers_and_a_page(folder) -> None:
    page = folder / "report.html"
    other = str(folder / "echo.yaml")
    report = measure(folder, "--answers", "--config", other, "--html", str(page), config="echo.yaml")
    assert "difference (95 %)" in report.stdout
    assert "answer_ms" in report.stdout
    html = page.read_text("utf-8")
    assert "Wie hoch ist der Goldpreis in Peru?" in html
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?http""", html), "the page loads nothing"


def test_a_floor_that_is_missed_is_an_exit_code(folder) -> None:
    measure(folder, "--floor", "R@1=0.9")
    assert "facts could not be measured" in measure(folder, "--floor", "facts=0.5", code=1).stderr
    measure(folder, "--floor", "search_ms=100000", "--floor", "failed=0")
    assert "search_ms is" in measure(folder, "--floor", "search_ms=0.0001", code=1).stderr
    assert "Measures: R@1" in measure(folder, "--floor", "recall=1", code=2).stderr
    assert "1.2.3 is no number" in measure(folder, "--floor", "R@1=1.2.3", code=2).stderr


def test_mistakes_are_sentences(folder) -> None:
    missing = run(folder, "eval", "nope", "--questions", str(folder / "questions.jsonl"), "--config",
                  str(folder / "search.yaml"), code=1)  # fmt: skip
    assert "there is no collection 'nope'. Collections: docs." in missing.stderr
    assert "cannot be read" in measure(folder, questions="gone.jsonl", code=1).stderr
    assert "--questions FILE is needed" in run(folder, "eval", "docs", code=2).stderr
    assert "twice at most" in measure(folder, "--config", "a", "--config", "b", code=2).stderr


def test_a_right_source_that_no_document_has_is_named(folder) -> None:
    lines = [{"question": "When?", "sources": [source]} for source in ("harbour.md", "guide/harbor.md", "x")]
    (folder / "unknown.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    told = measure(folder, questions="unknown.jsonl").stderr
    assert "docs has no document 'harbour.md'. Did you mean 'guide/harbour.md'?" in told
    assert "docs has no document 'guide/harbor.md'. Did you mean 'guide/harbour.md'?" in told
    assert "docs has no document 'x'.\n" in told
    assert "In all 3. All names: orbit collections documents docs" in told
    assert "no document" not in measure(folder).stderr


def test_an_output_that_cannot_be_written_is_refused_before_the_work(folder) -> None:
    blocked = folder / "questions.jsonl" / "report.html"
    refused = measure(folder, "--html", str(blocked), code=1)
    assert f"--html: the file {blocked} cannot be used: {blocked.parent} is not a folder." in refused.stderr
    draft = ("--generate", "1", "--config", str(folder / "echo.yaml"), "--questions", str(blocked))
    assert "--questions: the file" in run(folder, "eval", "docs", *draft, code=1).stderr
    measure(folder, "--html", str(folder / "new" / "report.html"))
    assert (folder / "new" / "report.html").exists()


def drafted(body):
    """Answer with a question, whose answer is not in the passage if it is about ferries."""
    passage = body["messages"][-1]["content"].rpartition("Passage:\n")[2]
    fact = "made up" if "ferr" in passage.lower() else passage.split()[-1]
    return "Here it is: " + json.dumps({"question": f"What ends in {fact}?", "answer": fact})


def test_the_model_writes_questions_whose_answers_are_in_the_passage(folder) -> None:
    target = folder / "written.jsonl"
    with served_wire(reply=drafted) as wire:
        config = (folder / "search.yaml").read_text().replace("docs}", "docs, confidence_threshold: 0}")
        config += f"openai: {{base_url: '{wire.url}', model: llama}}\n"
        (folder / "openai.yaml").write_text(config)
        where = ("--config", str(folder / "openai.yaml"), "--questions", str(target))
        result = run(folder, "eval", "docs", "--generate", "2", *where)
    assert "2 of 2 questions written" in result.stderr
    questions = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert all(question["facts"] != ["made up"] for question in questions)
    assert json.loads(measure(folder, "--json", questions="written.jsonl").stdout)["runs"]
    assert "exists" in run(folder, "eval", "docs", "--generate", "1", *where, code=1).stderr


def test_a_model_that_writes_none_is_an_exit_code(folder) -> None:
    result = run(folder, "eval", "docs", "--generate", "2", "--config", str(folder / "echo.yaml"), code=1)
    assert "0 of 2 questions written. None of the model's answers was a question" in result.stderr


def test_questions_that_do_not_say_what_is_right_are_noted(folder) -> None:
    (folder / "misspelt.jsonl").write_text('{"question": "When?", "source": ["guide/harbour.md"]}\n')
    told = measure(folder, questions="misspelt.jsonl").stderr
    assert 'says what is right ("sources", "text", "facts" or "answerable"), so only times are measured' in told
    assert "only times" not in measure(folder).stderr


def scored(body):
    """Answer a request for scores: ten for each passage."""
    return "10 " * 20


def test_a_reranker_without_answers_has_its_own_model(folder) -> None:
    with served_wire(reply=scored) as wire:
        judge = (
            f"judge: {{use: openai, base_url: '{wire.url}', model: llama}}\nreranker: {{provider: judge}}\necho: {{}}\n"
        )
        general = "general: {inference_provider: echo, "
        (folder / "judged.yaml").write_text((folder / "search.yaml").read_text().replace("general: {", general) + judge)
        told = measure(folder, config="judged.yaml").stderr
        asked = len(wire.requests)
    assert "cannot generate" not in told
    assert asked > 0
