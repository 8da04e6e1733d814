"""Measures whether the right passage comes first: each retriever alone and fused, on sets that this folder holds.

    python bench/quality.py [--embedder NAME] [--passages 100000] [--answers]

Prints R@1, R@3 and MRR, how many questions about other things are refused, and milliseconds a question. With --answers,
how often the embedded default's quotations hold the facts that they should.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from orbit import CallContext, Document, Query
from orbit.chat.search.fusion import fuse_scores
from orbit.chat.search.languages import language_of
from orbit.chat.search.relevance import THRESHOLD, Relevance
from orbit.config.load import embedded_text
from orbit.config.model import Ingest
from orbit.config.yaml_text import parse_yaml
from orbit.documents import ingest_paths
from orbit.evaluation import ask_all, figures, judge, read_questions
from orbit.host.host import OrbitHost
from orbit.testing import make_host

HERE = Path(__file__).parent
ROOT = HERE.parent
CONTEXT = CallContext("quality")
LIMIT = 10


class Question(msgspec.Struct, frozen=True):
    """A question, the set that it belongs to, its collection, and the id or source of the right passage."""

    group: str
    collection: str
    text: str
    right: str


def articles() -> tuple[list[Document], list[Question]]:
    """Return sixteen articles in each of eight languages, and two questions about each."""
    documents, questions = [], []
    for file in sorted((HERE / "data" / "articles").glob("*.md")):
        for number, article in enumerate(file.read_text("utf-8").split("## ")[1:]):
            title, *lines = article.strip().split("\n")
            name = f"{file.stem}-{number}"
            body = " ".join(line for line in lines if not line.startswith("?"))
            documents.append(Document(name, f"{title}\n\n{body}", f"{name}.md", title, digest="1"))
            asked = [line[2:] for line in lines if line.startswith("?")]
            questions += [Question(f"articles {file.stem}", "articles", text, name) for text in asked]
    return documents, questions


def codes() -> tuple[list[Document], list[Question]]:
    """Return 500 rows of error codes, and questions about 40 of them."""
    chance = random.Random(5)
    parts, remedies = ("valve", "motor", "sensor", "belt", "fan"), ("replace it", "clean it", "call service")
    rows = {
        f"E{code}": f"Code: E{code}, Part: {chance.choice(parts)}, Remedy: {chance.choice(remedies)}"
        for code in chance.sample(range(10_000, 99_999), 500)
    }
    documents = [Document(code, f"errors\n\n{row}", "errors.csv", "errors", digest="1") for code, row in rows.items()]
    asked = list(rows)[:40]
    return documents, [Question("error codes", "codes", f"What do I do about error {code}?", code) for code in asked]


def pages() -> list[Question]:
    """Return questions about ORBIT's documentation; the right passage is any of the page's."""
    lines = (HERE / "data" / "docs_questions.txt").read_text("utf-8").splitlines()
    return [Question("ORBIT's docs", "docs", *reversed([part.strip() for part in line.split("|")])) for line in lines]


async def fill(host: OrbitHost) -> list[Question]:
    """Write all sets into collections and return the questions."""
    asked: list[Question] = []
    for name, (documents, questions) in (("articles", articles()), ("codes", codes())):
        await host.index(name, documents, CONTEXT)
        asked += questions
    folders = [ROOT / "docs", *ROOT.glob("plugins/*/README.md")]
    readmes = Path(host.data_dir) / "pages"
    readmes.mkdir()
    for path in folders[1:]:
        (readmes / f"{path.parent.name}.md").write_text(path.read_text("utf-8"), "utf-8")
    await ingest_paths(host, "docs", [folders[0], readmes], Ingest(), CONTEXT)
    return asked + pages()


class Searches:
    """The retrievers of a host, alone and fused."""

    def __init__(self, host: OrbitHost) -> None:
        self.callers = host.registry.callers("retrieve")
        relevance = Relevance.of(host.registry, host.config.host.retrieval, host.roles.embed)
        assert relevance is not None, "a retriever or the embedder declares no calibration"
        self.relevance = relevance

    async def lists(self, query: Query) -> dict[str, list[Document]]:
        """Return the passages of each retriever."""
        return {
            name: list(await caller(query=query, limit=LIMIT, context=CONTEXT)) for name, caller in self.callers.items()
        }

    async def ask(self, question: str, collection: str) -> dict[str, list[Document]]:
        """Return the passages of each retriever, and those of all fused."""
        lists = await self.lists(Query(question, collection, compared=True))
        named = {"dense" if name == "chroma" else name: found for name, found in lists.items()}
        return {**named, "fused": fuse_scores([lists], self.relevance, LIMIT, question)}

    async def certainty(self, question: str, collection: str) -> float:
        """Return how sure the host is that a collection answers a question."""
        lists = await self.lists(Query(question, collection, compared=True))
        return self.relevance.certainty(lists, question, LIMIT)


def rank(found: Sequence[Document], question: Question) -> int:
    """Return the place of the right passage, from 1; 0 if it was not found."""
    for place, document in enumerate(found, start=1):
        if question.right in (document.id, Path(document.source).name):
            return place
    return 0


async def quality(host: OrbitHost) -> None:
    """Print a table of R@1, R@3 and MRR, and how well confidence separates other questions."""
    questions = await fill(host)
    searches = Searches(host)
    ranks: dict[tuple[str, str], list[int]] = {}
    certain: dict[str, list[float]] = {"all": []}
    for question in questions:
        found = await searches.ask(question.text, question.collection)
        for name, documents in found.items():
            ranks.setdefault((question.group, name), []).append(rank(documents, question))
        for kind in ("all", kind_of(question.text)):
            certain.setdefault(kind, []).append(await searches.certainty(question.text, question.collection))
    groups = list(dict.fromkeys(question.group for question in questions))
    names = list(dict.fromkeys(name for _, name in ranks))
    print("set".ljust(16), *(f"{name:>20}" for name in names), sep="")
    for group in [*groups, "all"]:
        rows = [
            [place for (of, by), places in ranks.items() if by == name and group in (of, "all") for place in places]
            for name in names
        ]
        print(group.ljust(16), *(f"{measures(row):>20}" for row in rows), sep="")
    off: dict[str, list[float]] = {"all": []}
    for text in (HERE / "data" / "off_topic.txt").read_text("utf-8").splitlines():
        for name in ("articles", "docs"):
            for kind in ("all", kind_of(text)):
                off.setdefault(kind, []).append(await searches.certainty(text, name))
    kinds = ("all", "English", "other Latin", "other scripts")
    print("\nrefused of others / lost of answerable\nthreshold", *(f"{kind:>16}" for kind in kinds))
    for threshold in (0.1, 0.15, 0.2, THRESHOLD, 0.3, 0.35, 0.4, 0.5):
        pairs = [f"{share(off[kind], threshold):.2f} / {share(certain[kind], threshold):.2f}" for kind in kinds]
        print(f"{threshold:9.2f}", *(f"{pair:>16}" for pair in pairs))


def share(values: Sequence[float], threshold: float) -> float:
    """Return the share of values below a threshold."""
    return sum(one < threshold for one in values) / len(values)


def kind_of(text: str) -> str:
    """Return the kind of languages that a text belongs to."""
    if language_of(text) == "en":
        return "English"
    return "other Latin" if any("a" <= letter <= "\u024f" for letter in text.casefold()) else "other scripts"


async def answers() -> None:
    """Print facts, refusals and citations of the embedded default, on two sets of questions and documents."""
    config = parse_yaml(embedded_text(), "the embedded default")
    with tempfile.TemporaryDirectory() as folder:
        config["general"]["data_dir"] = folder
        pages, others = Path(folder) / "pages", Path(folder) / "others"
        for place in (pages, others):
            place.mkdir()
        for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
            (pages / path.name).write_text(path.read_text("utf-8"), "utf-8")
        for path in ROOT.glob("plugins/*/README.md"):
            (others / f"{path.parent.name}.md").write_text(path.read_text("utf-8"), "utf-8")
        for name in ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "LICENSE"):
            (others / (name if "." in name else f"{name}.txt")).write_text((ROOT / name).read_text("utf-8"), "utf-8")
        for path in (HERE / "data" / "articles").glob("*.md"):
            lines = path.read_text("utf-8").splitlines()
            (others / path.name).write_text("\n".join(line for line in lines if line[:1] != "?"), "utf-8")
        async with make_host(config, Path(folder)) as host:
            for collection, place, file in (
                ("orbit-docs", pages, "orbit_docs.jsonl"),
                ("others", others, "other_documents.jsonl"),
            ):
                await ingest_paths(host, collection, [place], Ingest(), CONTEXT)
                asked = await ask_all(host, read_questions(HERE / "data" / file), collection, answers=True)
                print(file, *(f"{figure.name} {figure.mean:.3f}" for figure in figures(judge(asked))), sep="\n  ")


def measures(places: Sequence[int]) -> str:
    """Return R@1, R@3 and MRR of some places."""
    count = max(1, len(places))
    first, third = (sum(0 < place <= k for place in places) / count for k in (1, 3))
    return f"{first:.2f} {third:.2f} {sum(1 / place for place in places if place) / count:.2f}"


async def speed(host: OrbitHost, passages: int) -> None:
    """Print milliseconds a question over made passages of 90 words."""
    chance = random.Random(3)
    words = [f"{a}{b}{c}" for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]
    weights = [1 / (1 + number) for number in range(len(words))]
    for start in range(0, passages, 2000):
        texts = [" ".join(chance.choices(words, weights, k=90)) for _ in range(min(2000, passages - start))]
        documents = [Document(str(start + n), text, f"{start}.md", digest="1") for n, text in enumerate(texts)]
        await host.index("many", documents, CONTEXT)
    searches = Searches(host)
    asked = [" ".join(chance.choices(words, weights, k=9)) for _ in range(60)]
    query = [Query(text, "many") for text in asked]
    for name, caller in searches.callers.items():
        taken = []
        for one in query:
            started = time.perf_counter()
            await caller(query=one, limit=LIMIT, context=CONTEXT)
            taken.append((time.perf_counter() - started) * 1000)
        taken.sort()
        print(f"{passages} passages, {name}: p50 {taken[30]:.1f} ms, p95 {taken[57]:.1f} ms")


SYLLABLES = ("ba", "cor", "du", "el", "fin", "go", "ha", "im", "ja", "kel", "lo", "mar", "ni", "or", "pe", "qui", "ra")


async def main() -> None:
    """Run the measurements on a host of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedder", default="wordllama", help="plugin that embeds, such as onnx")
    parser.add_argument("--model", default="", help="its model")
    parser.add_argument("--passages", type=int, default=0, help="measure the speed over so many passages instead")
    parser.add_argument("--answers", action="store_true", help="measure the embedded default's answers instead")
    given = parser.parse_args()
    if given.answers:
        await answers()
        return
    embedder: dict[str, Any] = {"model": given.model} if given.model else {}
    config = {"echo": {}, given.embedder: embedder, "chroma": {}, "lexical": {}}
    with tempfile.TemporaryDirectory() as folder:
        async with make_host(config, Path(folder)) as host:
            await (speed(host, given.passages) if given.passages else quality(host))


if __name__ == "__main__":
    asyncio.run(main())
