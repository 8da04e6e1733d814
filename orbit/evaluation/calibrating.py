"""Proposes a threshold for a collection: what refuses most questions about something else, and loses few others."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from orbit.chat.journal import Journal
from orbit.chat.search.languages import language_of
from orbit.chat.search.relevance import THRESHOLD
from orbit.chat.turn import Turn
from orbit.errors import OrbitError
from orbit.evaluation.asking import searching
from orbit.evaluation.questions import EvalQuestion
from orbit.evaluation.writing import passages
from orbit.host.host import OrbitHost
from orbit.types import CallContext, Document

LOST = 0.02
"""The share of answerable questions that a proposal may lose."""

_PASSAGES = 100
"""Passages that stand for questions if there is no list of them."""
_HEADING_WORDS = 3
"""Words of a heading that can stand for a question. Shorter ones, such as "Settings", could mean anything."""

_ELSEWHERE = {
    "en": "Who painted the Mona Lisa?|How do I bake sourdough bread?|How tall is Mount Everest?|Why is the sky blue?|"
    "How many strings does a violin have?|When did the Titanic sink?|What is the boiling point of ethanol?|"
    "How do I change a bicycle tyre?|Which planet has the most moons?|Who won the world cup of 1954?|"
    "What are the symptoms of measles?|Can you recommend a good novel?|How do whales sleep?|Tell me a joke.|"
    "What is the capital of Mongolia?|How often should I water a cactus?|Which river flows through Paris?|"
    "How far is the moon from the earth?|How do I remove wine stains from a carpet?|Who wrote War and Peace?",
    "de": "Wie hoch ist der Mount Everest?|Wer hat die Zauberflöte komponiert?|Wie backe ich einen Apfelkuchen?|"
    "Warum sind Flamingos rosa?|Welcher Fluss fließt durch Paris?|Wann fiel die Berliner Mauer?|"
    "Wie viele Saiten hat eine Geige?|Wie repariere ich einen Fahrradreifen?|Wie spät ist es in Tokio?|"
    "Was ist die Hauptstadt der Mongolei?",
    "fr": "Qui a peint la Joconde ?|Comment préparer une pâte à crêpes ?|Combien de côtés a un hexagone ?|"
    "Pourquoi le ciel est-il bleu ?|Quelle est la population du Canada ?|Quand a eu lieu la Révolution française ?|"
    "Quel est le plus haut sommet des Alpes ?|Qui a écrit Les Misérables ?",
    "es": "¿Quién pintó el Guernica?|¿Cómo se prepara una tortilla de patatas?|¿Cuántos planetas hay?|"
    "¿Por qué el mar es salado?|¿En qué año llegó Colón a América?|¿Cuál es el río más largo del mundo?|"
    "¿Cómo se llama el presidente de Francia?|¿Cuántos jugadores tiene un equipo de baloncesto?",
    "": "Какая самая большая страна в мире?|Как сварить борщ?|Почему небо голубое?|من كتب ألف ليلة وليلة؟|"
    "كم عدد قارات العالم؟|كيف أطبخ الأرز؟|ताजमहल किसने बनवाया?|समोसे कैसे बनाते हैं?|谁写了红楼梦?|"
    "世界上最高的山是哪一座?|为什么天空是蓝色的?|フランスの首都はどこですか。",
}
"""Questions that most collections do not answer, by language; "" has other scripts."""


class Point(msgspec.Struct, frozen=True):
    """A threshold, the share of other questions that it refuses, and that of answerable ones that it loses."""

    threshold: float
    refused: float
    lost: float


class Proposal(msgspec.Struct, frozen=True):
    """A threshold for a collection, the shares at some others, and what they rest on."""

    threshold: float
    curve: tuple[Point, ...]
    answerable: int
    others: int
    drafted: bool
    """Whether headings of passages stood for answerable questions, which flatters."""


async def calibrate(
    host: OrbitHost,
    collection: str,
    questions: Sequence[EvalQuestion],
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> Proposal:
    """Return a threshold for a collection. Raises OrbitError.

    Without answerable ``questions``, headings of its passages stand for them; without others, questions about general
    things do, in the languages of the answerable ones. ``progress`` gets the number of questions done, and of all.
    """
    context = CallContext("orbit-calibrate", client_name="orbit calibrate", collection=collection)
    retrieval = searching(host)
    if not retrieval.has_certainty:
        raise OrbitError(
            "the scores of the retrievers cannot be compared, so there is no threshold of certainty. It needs "
            "an embedding model whose scale is known; without one, a full-text store such as 'lexical:' alone."
        )
    answerable = [one.asked for one in questions if one.labelled]
    others = [one.asked for one in questions if one.labelled is False]
    drafted = not answerable
    if drafted:
        answerable = await _drafts(host, collection, context)
    if not answerable:
        raise OrbitError(
            f"the collection '{collection}' has no headings that could stand for questions. "
            "Write some questions: --questions FILE."
        )
    others = others or list(_elsewhere(answerable))
    certain = []
    for number, text in enumerate([*answerable, *others], start=1):
        turn = Turn(text, context)
        found = await retrieval.retrieve(turn, Journal(turn), doubtful=True)
        certain.append((found[0].score or 0.0) if found else 0.0)
        progress(number, len(answerable) + len(others))
    kept, off = sorted(certain[: len(answerable)]), sorted(certain[len(answerable) :])
    threshold = _between(kept, off)
    if drafted:  # headings are surer than questions: above the general threshold, they say nothing of these
        threshold = min(threshold, THRESHOLD)
    points = sorted({*(step / 20 for step in range(1, 15)), threshold})
    curve = tuple(Point(point, _below(off, point), _below(kept, point)) for point in points)
    return Proposal(threshold, curve, len(answerable), len(others), drafted)


def _between(kept: Sequence[float], off: Sequence[float]) -> float:
    """Return the lowest threshold that refuses as many others as one can that loses few: in the middle of a gap."""
    highest = kept[int(LOST * len(kept))]
    below = [one for one in off if one < highest]
    lost = [one for one in kept if one < highest]
    lowest = max(below[-1] if below else 0.0, lost[-1] if lost else 0.0)
    return math.floor((lowest + highest) * 500) / 1000  # never above the highest: it would lose one more


def _below(values: Sequence[float], threshold: float) -> float:
    return sum(one < threshold for one in values) / len(values)


async def _drafts(host: OrbitHost, collection: str, context: CallContext) -> list[str]:
    """Return headings of passages, of as many files as possible."""
    sources = sorted(await host.list_sources(collection, context))
    found: dict[str, None] = {}
    async for passage in passages(host, sources, context):
        if heading := _heading(passage):
            found.setdefault(heading)
        if len(found) >= _PASSAGES:
            break
    return list(found)


def _heading(passage: Document) -> str:
    """Return the lowest heading above a passage, with its title if it is short; empty if both say too little."""
    heading = str(passage.metadata.get("heading", "")).rpartition(" > ")[2]
    for text in (heading, f"{passage.title} {heading}".strip()):
        if len(re.findall(r"\w+", text)) >= _HEADING_WORDS:
            return text
    return ""


def _elsewhere(answerable: Sequence[str]) -> Iterator[str]:
    """Yield questions about general things, in the languages of the answerable ones as far as they are known."""
    languages = {language_of(text) for text in answerable if re.search("[A-Za-z]", text)} & _ELSEWHERE.keys() - {""}
    if any(not text.isascii() and not re.search("[A-Za-z]", text) for text in answerable):
        languages.add("")
    for language in sorted(languages) or ["en"]:
        yield from _ELSEWHERE[language].split("|")
