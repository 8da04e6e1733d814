"""Questions whose right passage is known: those of this folder, and public ones from a folder of yours."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from orbit import Document

HERE = Path(__file__).parent
ROOT = HERE.parent
MOST = 200
"""Questions of a public set."""


class Question(msgspec.Struct, frozen=True):
    """A question, the set that it belongs to, its collection, and the id or source of the right passage."""

    group: str
    collection: str
    text: str
    right: str


Set = tuple[list[Document], list[Question]]
Parts = Sequence[tuple[Document, Sequence[str]]]
"""An article as its passages, each with its questions."""


def passage(number: object, text: str, title: str = "") -> Document:
    """Return a passage that is a file of its own."""
    return Document(f"p{number}", f"{title}\n\n{text}".strip(), f"{number}.md", title, digest="1")


def articles() -> Set:
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


def mixed(name: str, parallel: Mapping[str, Sequence[Parts]]) -> Set:
    """Return articles of which each is in one of several languages, and questions about them in all of these.

    ``parallel`` has all articles in every language, each as its passages with their questions.
    """
    languages = sorted(parallel)
    documents, pairs = [], []
    for number in range(len(parallel[languages[0]])):
        own = languages[number % len(languages)]
        for part, (document, _) in enumerate(parallel[own][number]):
            right = f"{own}-{number}-{part}"
            documents.append(msgspec.structs.replace(document, id=right, source=f"{right}.md"))
            pairs += [
                (f"{name} {'same' if asked == own else 'other'}", text, right)
                for asked in languages
                for text in parallel[asked][number][part][1]
            ]
    questions = [Question(group, name.replace(" ", "-"), text, right) for group, text, right in pairs]
    chosen = [[one for one in questions if one.group.endswith(kind)] for kind in ("same", "other")]
    return documents, [one for of in chosen for one in random.Random(7).sample(of, min(MOST, len(of)))]


def mixed_articles() -> Set:
    """Return sixteen articles, two in each of eight languages, and the questions about them in all eight."""
    documents, questions = articles()
    parallel: dict[str, list[Parts]] = {}
    for document in documents:
        asked = [one.text for one in questions if one.right == document.id]
        parallel.setdefault(document.id.partition("-")[0], []).append([(document, asked)])
    return mixed("mixed", parallel)


def codes() -> Set:
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


def public(folder: Path) -> Iterator[Set]:
    """Yield the sets of a folder; at most ``MOST`` questions of each."""
    parallel = xquad(folder)
    if parallel:
        yield mixed("XQuAD mix", {language: parallel[language] for language in ("de", "en", "es")})
    for language, parts in parallel.items():
        documents = [document for article in parts for document, _ in article]
        pairs = [(text, document.id) for article in parts for document, texts in article for text in texts]
        yield _named(f"XQuAD {language}", documents, pairs)
    for language, answered in organisations(folder).items():
        documents = [passage(number, answer) for number, (answer, _) in enumerate(answered)]
        asked = [(question, document.id) for (_, question), document in zip(answered, documents, strict=True)]
        yield _named(f"FAQ {language}", documents, asked)
    found = abstracts(folder)
    yield _named("abstracts en", [document for document, _ in found], [(text, one.id) for one, text in found])


def xquad(folder: Path) -> dict[str, list[Parts]]:
    """Return XQuAD's articles by language, each as its paragraphs with their questions."""
    return {
        file.name.split(".")[1]: [
            [
                (
                    passage(f"{n}-{m}", part["context"], article.get("title", "")),
                    [one["question"] for one in part["qas"]],
                )
                for m, part in enumerate(article["paragraphs"])
            ]
            for n, article in enumerate(json.loads(file.read_text("utf-8"))["data"])
        ]
        for file in sorted(folder.glob("xquad.*.json"))
    }


def organisations(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Return answers with their questions, by language, in an order of chance; the first question of equal answers."""
    found: dict[str, list[tuple[str, str]]] = {}
    for file in sorted(folder.glob("*.tsv")):
        with file.open(encoding="utf-8", newline="") as opened:
            rows = [row for row in csv.DictReader(opened, delimiter="\t") if row["answer"].strip()]
        for language in sorted({row["lang"] for row in rows}):
            of = list({row["answer"]: row["question"] for row in rows if row["lang"] == language}.items())
            random.Random(5).shuffle(of)
            found[language] = of
    return found


def abstracts(folder: Path) -> list[tuple[Document, str]]:
    """Return PubMedQA's abstracts with the questions that are their titles."""
    file = folder / "ori_pqal.json"
    found: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return [(passage(key, " ".join(one["CONTEXTS"])), one["QUESTION"]) for key, one in list(found.items())[:500]]


def _named(group: str, documents: list[Document], pairs: Sequence[tuple[str, str]]) -> Set:
    collection = group.replace(" ", "-")
    chosen = random.Random(7).sample(list(pairs), min(MOST, len(pairs)))
    return documents, [Question(group, collection, text, right) for text, right in chosen]
