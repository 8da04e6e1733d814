"""Fits the weights by which ORBIT tells that nothing answers a question, and measures them on other questions.

    .venv/bin/python bench/refusals.py FOLDER [--embedder onnx:minilm] [--embedder wordllama:]

FOLDER has public sets of questions: XQuAD's files (`xquad.de.json`), tables of questions and answers with the columns
`question`, `answer` and `lang` (`*.tsv`), and PubMedQA's `ori_pqal.json`. The sets of bench/data are added. One half of
a set of articles or abstracts is a collection, and questions about the other half have no answer in it.

XQuAD asks the same in every language, so its English articles also get the questions of the others, and they the
English ones.

Prints, for half of the collections that the weights were not fitted on, the share of unanswerable questions that are
refused and the share of answerable ones that are lost: of public questions, of those in other words than what answers
them, and of those in another language. Then the weights fitted on all collections.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import quality
from numpy.typing import NDArray
from quality_sets import HERE, abstracts, articles, organisations, passage, xquad

from orbit import Document, Query
from orbit.chat.search.languages import is_foreign
from orbit.chat.search.relevance import BEGINNING
from orbit.testing import make_host

Numbers = NDArray[np.float64]

THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
MOST = 80
"""Questions of each kind for a collection."""
OWN = 4.0
"""How much more the hard questions of bench/data/articles count: in eight languages, about few and short passages."""
LOST = 1.35
"""How much worse it is to refuse a question that has an answer than to answer another one, in one language."""
STEPS, RIDGE = 60, 0.0001


class Asked(msgspec.Struct, frozen=True):
    """A collection, what it holds, and questions that it answers and others."""

    name: str
    documents: Sequence[Document]
    answerable: Sequence[str]
    others: Sequence[str]
    first_half: bool
    """Whether weights are fitted on it when they are measured on the others."""
    place: str = ""
    """Another collection that holds the documents, if there are none here."""


class Row(msgspec.Struct, frozen=True):
    """A question's signs, how well the model knows its language and another one of the passages, and what is right."""

    collection: str
    first_half: bool
    signs: tuple[float, ...]
    known: float
    foreign: bool
    answered: bool

    @property
    def kind(self) -> str:
        """What it is reported as."""
        name = self.collection.split()[1]
        other_words = "in other words" if name.startswith("own") else "public"
        return "another language" if name.startswith("foreign") else other_words


def halves(name: str, items: Sequence[tuple[Sequence[Document], Sequence[str]]]) -> Iterator[Asked]:
    """Yield two collections, each of every second item, with the questions of the others as unanswerable."""
    asked = []
    for half in (items[::2], items[1::2]):
        questions = [question for _, of in half for question in of]
        random.Random(3).shuffle(questions)
        asked.append(([one for documents, _ in half for one in documents], questions[:MOST]))
    for number, (documents, questions) in enumerate(asked):
        yield Asked(f"{name}-{number}", documents, questions, asked[1 - number][1], number == 0)


def read(folder: Path) -> Iterator[Asked]:
    """Yield the collections of a folder."""
    elsewhere: dict[str, Sequence[str]] = {}
    parallel: dict[str, tuple[Asked, Asked]] = {}
    for language, parts in xquad(folder).items():
        items = [([one for one, _ in part], [text for _, texts in part for text in texts]) for part in parts]
        first, second = halves(f"articles-{language}", items)
        elsewhere[language] = first.answerable
        parallel[language] = first, second
        yield from (first, second)
    pairs = [pair for other in parallel.keys() - {"en"} for pair in (("en", other), (other, "en"))]
    for asking, answering in sorted(pairs):
        for number, (asked_there, about) in enumerate(zip(parallel[asking], parallel[answering], strict=True)):
            yield msgspec.structs.replace(
                asked_there, name=f"foreign-{asking}-{answering}-{number}", documents=(), place=about.name
            )
    for number, (language, answered) in enumerate(organisations(folder).items()):
        documents = [passage(n, answer) for n, (answer, _) in enumerate(answered)]
        others = elsewhere.get(language, elsewhere["en"])
        asked = [question for _, question in answered][:MOST]
        yield Asked(f"organisations-{language}", documents, asked, others, number % 2 == 0)
    found = abstracts(folder)
    for number in range(2):
        half = found[number::2]
        texts = [text for _, text in half][:MOST]
        yield Asked(f"abstracts-{number}", [one for one, _ in half], texts, elsewhere["en"], number == 0)
    own, questions = articles()
    off = (HERE / "data" / "off_topic.txt").read_text("utf-8").splitlines()
    texts = [one.text for one in questions]
    yield Asked("own-articles-0", own, texts[::2], off[::2], first_half=True)
    yield Asked("own-articles-1", (), texts[1::2], off[1::2], first_half=False, place="own-articles-0")


async def rows_of(embedder: str, sets: Sequence[Asked]) -> list[Row]:
    """Ask all questions and return their signs."""
    name, _, model = embedder.partition(":")
    config: dict[str, Any] = {"echo": {}, name: {"model": model} if model else {}, "chroma": {}, "lexical": {}}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        async with make_host(config, Path(folder)) as host:
            searches = quality.Searches(host)
            for one in sets:
                place = one.place or one.name
                if one.documents:
                    await host.index(place, one.documents, quality.CONTEXT)
                for text, answered in [*((q, True) for q in one.answerable), *((q, False) for q in one.others)]:
                    lists = await searches.lists(Query(text, place, compared=True))
                    known, first = searches.relevance.knows(lists, text), searches.first(lists, text)[:BEGINNING]
                    foreign = is_foreign(text, first)
                    known *= searches.relevance.knows(lists, first) if foreign else 1
                    signs = msgspec.structs.astuple(searches.relevance.signs(lists, quality.LIMIT))
                    rows.append(Row(f"{embedder} {one.name}", one.first_half, signs, known, foreign, answered))
    return rows


def design(rows: Sequence[Row], kinds: Sequence[int]) -> Numbers:
    """Return the signs ``kinds`` of each question, for known languages, others, and two known ones."""
    signs = np.array([row.signs for row in rows])[:, kinds]
    known, foreign = (
        np.array([[float(value)] for value in of])
        for of in zip(*((row.known, row.foreign) for row in rows), strict=True)
    )
    return np.hstack([signs * known * (1 - foreign), signs * (1 - known), signs * known * foreign])


def fit(rows: Sequence[Row], kinds: Sequence[int]) -> Numbers:
    """Return the weights of a logistic regression, where collections and kinds of questions count alike.

    A model that does not know both languages of a question and its passages cannot tell anything of them.
    """
    rows = [row for row in rows if row.kind != "another language" or (row.foreign and row.known == 1)]
    x, y = design(rows, kinds), np.array([float(row.answered) for row in rows])
    counted = Counter((row.collection, row.answered) for row in rows)
    weights = np.array([1 / counted[row.collection, row.answered] for row in rows])
    worth = {"public": LOST, "in other words": LOST * OWN, "another language": 1.0}
    weights *= np.array([worth[row.kind] if row.answered else 1.0 for row in rows])
    weights /= weights.mean()
    found = np.zeros(x.shape[1])
    ridge = RIDGE * len(rows) * np.eye(len(found))
    for constant in range(0, len(found), len(kinds)):
        ridge[constant, constant] = 1e-9  # it may be as large as it is
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ found))
        found += np.linalg.solve(
            (x * (weights * p * (1 - p))[:, None]).T @ x + ridge, x.T @ (weights * (y - p)) - ridge @ found
        )
    return found


def show(name: str, rows: Sequence[Row], certain: Numbers) -> None:
    """Print what is refused of others and lost of answerable questions: means of the collections of each kind."""
    for kind in dict.fromkeys(row.kind for row in rows):
        cells = []
        for threshold in THRESHOLDS:
            shares = []
            for answered in (False, True):
                below: dict[str, list[bool]] = {}
                for row, value in zip(rows, certain, strict=True):
                    if row.answered is answered and row.kind == kind:
                        below.setdefault(row.collection, []).append(bool(value < threshold))
                shares.append(np.mean([np.mean(of) for of in below.values()]))
            cells.append(f"{shares[0]:.2f}/{shares[1]:.3f}")
        print(f"{name}, {kind}".ljust(46), *(f"{cell:>11}" for cell in cells))


def main() -> None:
    """Measure and fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--embedder", action="append", help="PLUGIN:MODEL; several are fitted together")
    given = parser.parse_args()
    sets = list(read(given.folder))
    embedders = given.embedder or ["onnx:minilm"]
    rows = [row for one in embedders for row in asyncio.run(rows_of(one, sets))]
    print("refused of others / lost of answerable".ljust(46), *(f"{threshold:>11}" for threshold in THRESHOLDS))
    for kind, kinds in (("both", (0, 1, 2, 3, 4, 5)), ("vectors", (0, 1, 4)), ("words", (0, 2, 5))):
        certain = np.zeros(len(rows))
        half = np.array([row.first_half for row in rows])
        for fitted in (True, False):
            chosen = fit([row for row in rows if row.first_half is fitted], kinds)
            certain[half != fitted] = (1 / (1 + np.exp(-design(rows, kinds) @ chosen)))[half != fitted]
        for embedder in embedders:
            of = [number for number, row in enumerate(rows) if row.collection.startswith(embedder)]
            show(f"{kind}, {embedder}", [rows[number] for number in of], certain[of])
        known, others, foreign = np.split(fit(rows, kinds), 3)
        print(f"  weights of {kinds}: known {known.round(1)}, others {others.round(1)}, two known {foreign.round(1)}")


if __name__ == "__main__":
    main()
