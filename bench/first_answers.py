"""What a first start answers: facts, citations and refusals, asked over HTTP of the server that ./start.sh runs.

    .venv/bin/python bench/first_answers.py [--each] [--expand 1]

Starts `orbit serve` in an empty folder, waits until it has read ORBIT's documentation, and asks it the questions of
bench/data/orbit_docs.jsonl. A second server differs by `onnx: {model: multilingual}`; it is asked German questions
about the English pages, bench/data/german_about_english.jsonl. With --expand, both have this `retrieval.expand`.
Prints figures beside their aims, with --each also every miss, and exits with 1 if an aim is missed.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from orbit.config.load import embedded_text
from orbit.evaluation import read_questions
from orbit.evaluation.judging import plain, states
from orbit.evaluation.questions import EvalQuestion

DATA = Path(__file__).parent / "data"
ROOT = DATA.parent.parent
ORBIT = str(Path(sys.executable).with_name("orbit"))
PATIENCE = 900
"""Seconds that a server may take until it is ready."""


class Answered(msgspec.Struct, frozen=True):
    """What a client got for a question."""

    question: EvalQuestion
    text: str
    sources: Sequence[dict[str, Any]]

    @property
    def refused(self) -> bool:
        """Whether nothing was found: a fixed text answers, without sources."""
        return not self.sources

    @property
    def right(self) -> bool:
        """Whether all facts are in the answer."""
        return not self.refused and all(states(self.text, fact) for fact in self.question.facts)

    @property
    def invented(self) -> int:
        """Citations of no source, or of one that does not have the words quoted before them."""
        texts = {str(source["number"]): _words(source["text"]) for source in self.sources}
        pieces = re.split(r"(?<![\w)])\[(\d{1,4})\]", self.text)  # not after a word: that is an index
        quoted = [re.sub(r"\AQuoted from [^\n]*\n\n", "", text.strip()) for text in pieces[::2]]
        lines = [[_words(line) for line in text.splitlines()] for text in quoted]
        return sum(
            number not in texts or any(line not in texts[number] for line in of)
            for of, number in zip(lines, pieces[1::2], strict=False)
        )


def _words(text: str) -> str:
    return plain(re.sub(r"[\W_]+", " ", text))


@contextmanager
def serving(folder: Path, command: Sequence[str], done: str) -> Iterator[str]:
    """Run a server in a folder and yield its address, once its log says ``done``."""
    log = folder / "log"
    with log.open("wb") as out, subprocess.Popen(command, cwd=folder, stdout=out, stderr=out) as server:
        try:
            deadline = time.monotonic() + PATIENCE
            while not re.search(done, log.read_text("utf-8")):
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit(log.read_text("utf-8"))
                time.sleep(0.5)
            address = found(r"Starting at (\S+)", log.read_text("utf-8"))
            while not ready(address) and time.monotonic() < deadline:
                time.sleep(0.5)
            yield address
        finally:
            server.terminate()


def found(pattern: str, text: str) -> str:
    """Return the part of a text that a pattern's group matches."""
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


def ready(address: str) -> bool:
    """Return whether a server answers questions."""
    try:
        return httpx.get(f"{address}/health/ready").is_success
    except httpx.TransportError:
        return False


def ask(address: str, key: str, file: str) -> list[Answered]:
    """Ask the questions of a file, one after the other."""
    answered = []
    with httpx.Client(base_url=address, headers={"X-API-Key": key}, timeout=120) as client:
        for question in read_questions(DATA / file):
            response = client.post("/chat", json={"message": question.asked, "stream": False}).raise_for_status()
            answer = response.json()
            answered.append(Answered(question, answer["response"], answer["sources"]))
    return answered


def first_start() -> list[Answered]:
    """Return the answers of the embedded default."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, [ORBIT, "serve", "--port=0"], "read all .* pages") as address:
            key = found(r"key, shown only now: (\S+)", (folder / "log").read_text("utf-8"))
            return ask(address, key, "orbit_docs.jsonl")


def configured(file: str, embedder: str, expand: int) -> list[Answered]:
    """Return the answers of the embedded default with other settings, to the questions of a file."""
    settings = embedded_text().replace("onnx: {}", f"onnx: {embedder}")
    settings = settings.replace("retrieval:\n", f"retrieval:\n  expand: {expand}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(settings, "utf-8")
        run(folder, "ingest", str(ROOT / "README.md"), str(ROOT / "docs"), "--collection", "orbit-docs")
        key = run(folder, "keys", "create", "--name", "bench", "--collection", "orbit-docs", "--json")
        with serving(folder, [ORBIT, "serve", "--port=0"], "Starting at") as address:
            return ask(address, json.loads(key)["api_key"], file)


def run(folder: Path, *arguments: str) -> str:
    """Run a command of ORBIT and return what it prints."""
    return subprocess.run([ORBIT, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def report(name: str, answered: Sequence[Answered], facts: float, refused: float, *, each: bool) -> bool:
    """Print the figures; return whether they reach their aims. ``facts`` and ``refused`` are shares."""
    known = [one for one in answered if one.question.facts]
    others = [one for one in answered if one.question.answerable is False]
    wrong = [one for one in known if not one.right]
    passed = [one for one in others if not one.refused]
    invented = sum(one.invented for one in answered)
    print(f"{name}\n  facts right         {len(known) - len(wrong)} of {len(known)} (aim: {facts * len(known):.0f})")
    print(f"  citations invented  {invented} (aim: 0)")
    print(f"  others refused      {len(others) - len(passed)} of {len(others)} (aim: {refused * len(others):.0f})")
    if each:
        for kind, of in (("wrong", wrong), ("not refused", passed), ("invented", [x for x in answered if x.invented])):
            for one in of:
                print(f"  {kind}: {one.question.asked}\n    {' '.join(one.text.split())[:300]}")
    enough = len(known) - len(wrong) >= facts * len(known) and len(others) - len(passed) >= refused * len(others)
    return enough and not invented


def main() -> None:
    """Ask both servers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", action="store_true", help="print every miss")
    parser.add_argument("--expand", type=int, default=0, help="neighbours of each passage")
    given = parser.parse_args()
    each, expand = given.each, given.expand
    first = configured("orbit_docs.jsonl", "{}", expand) if expand else first_start()
    german = configured("german_about_english.jsonl", "{model: multilingual}", expand)
    reached = [
        report("ORBIT's documentation, as ./start.sh answers", first, 0.9, 0.9, each=each),
        report("German questions about it, multilingual", german, 0.8, 0.9, each=each),
    ]
    sys.exit(not all(reached))


if __name__ == "__main__":
    main()
