"""Compares what came of questions with what is right. ``ir-measures`` computes the measures of ranking."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from orbit.errors import OrbitError
from orbit.evaluation.asking import Asked
from orbit.evaluation.questions import Fact

NAMES: Mapping[str, str] = {
    "R@1": "the right file or passage comes first",
    "R@3": "it is among the first three",
    "R@5": "it is among the first five",
    "RR": "1 / its rank",
    "nDCG@10": "how far up it is, of ten",
    "kept": "questions that the documents answer, and that were not refused",
    "refused": "questions that the documents do not answer, and that were refused",
    "facts": "facts that are in the answer",
    "citation_precision": "citations of a right file",
    "citation_recall": "answers that cite a right file",
    "search_ms": "milliseconds for searching",
    "answer_ms": "milliseconds for the whole answer",
    "tokens": "tokens read and written for an answer",
    "failed": "questions that ended in an error",
}
"""Measure -> meaning. All are 0 to 1, higher is better, except those of ``LOWER_IS_BETTER``."""

LOWER_IS_BETTER = frozenset({"search_ms", "answer_ms", "tokens", "failed"})

_RANKING = ("R@1", "R@3", "R@5", "RR", "nDCG@10")
_CITED = re.compile(r"\[(\d+)\]")


def judge(asked: Sequence[Asked]) -> list[dict[str, float]]:
    """Return the measures of each question, as far as they apply to it, in order. Raises OrbitError."""
    ranked = _ranking(asked)
    return [{**ranked.get(str(number), {}), **_others(one)} for number, one in enumerate(asked)]


def _ranking(asked: Sequence[Asked]) -> dict[str, dict[str, float]]:
    """Return the measures of ranking by the number of the question."""
    try:
        import ir_measures  # noqa: PLC0415  # only orbit eval needs it
    except ModuleNotFoundError as error:
        raise OrbitError("orbit eval needs the package 'ir-measures': pip install 'orbit-inference[eval]'") from error

    right, found = [], []
    for number, one in enumerate(asked):
        if not (one.question.sources or one.question.text) or one.error:
            continue
        relevant, order = _labels(one)
        right += [ir_measures.Qrel(str(number), label, 1) for label in relevant]
        found += [ir_measures.ScoredDoc(str(number), label, -rank) for rank, label in enumerate(order)]
    if not right:
        return {}
    measures = [ir_measures.parse_measure(name) for name in _RANKING]
    judged: dict[str, dict[str, float]] = {}
    for metric in ir_measures.iter_calc(measures, right, found):
        name, value = str(metric.measure), float(metric.value)
        judged.setdefault(metric.query_id, {})[name] = value
    return judged


def _labels(one: Asked) -> tuple[list[str], list[str]]:
    """Return the labels that are right and the labels found, best first.

    Any right file will do, so the first of them stands for all, and a file counts where its first passage is.
    """
    order: list[str] = []
    for passage in one.found:
        if _is_right(one, passage.source, passage.text):
            label = "right"
        else:
            label = f"passage {passage.id}" if one.question.text else f"file {passage.source}"
        if label not in order:
            order.append(label)
    return ["right"], order


def _is_right(one: Asked, source: str, text: str) -> bool:
    question = one.question
    if question.sources and source not in question.sources:
        return False
    return not question.text or plain(question.text) in plain(text)


def _others(one: Asked) -> dict[str, float]:
    measures = {"failed": float(bool(one.error)), "search_ms": one.search_seconds * 1000}
    if one.error:
        return measures
    labelled = one.question.labelled
    if labelled is not None:
        measures["kept" if labelled else "refused"] = float(one.refused is not labelled)
    if one.answer is None:
        return measures
    measures["answer_ms"] = one.answer_seconds * 1000
    measures["tokens"] = float(one.tokens)
    if one.question.facts:
        facts = one.question.facts
        measures["facts"] = sum(states(one.answer, fact) for fact in facts) / len(facts)
    if one.question.sources and not one.refused:
        numbers = [int(number) for number in _CITED.findall(one.answer)]
        by_number = {source.number: source.source for source in one.sources}
        right = [by_number.get(number) in one.question.sources for number in numbers]
        measures["citation_recall"] = float(any(right))
        if right:
            measures["citation_precision"] = sum(right) / len(right)
    return measures


def states(answer: str, fact: Fact) -> bool:
    """Return whether an answer has a fact, or one of its spellings, as whole words: ``2`` is not in ``120``.

    A thousands separator makes no difference. In scripts without spaces, a fact may be anywhere.
    """
    text = _ungrouped(plain(answer))
    spellings = [_ungrouped(plain(one)) for one in ((fact,) if isinstance(fact, str) else fact)]
    return any(re.search(_bound(one[:1]) + re.escape(one) + _bound(one[-1:], after=True), text) for one in spellings)


def _ungrouped(text: str) -> str:
    return re.sub(r"(?<=\d)[,'\u2019 ](?=\d{3}(?!\d))", "", text)


def _bound(letter: str, *, after: bool = False) -> str:
    """Return a pattern: no letter or digit continues the word that begins or ends with ``letter``."""
    if not (letter.isdigit() or letter.upper() != letter):  # a sign, or a script that may not separate words
        return ""
    return r"(?![^\W_]|[.,]\d)" if after else r"(?<![^\W_])(?<!\d[.,])"


def plain(text: str) -> str:
    """Return a text in one form of its characters, letter case and spaces, to compare it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
