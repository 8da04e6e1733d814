"""Has the model write questions that passages of a collection answer."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from pathlib import PurePath
from random import Random

import msgspec

from orbit.chat.journal import Journal
from orbit.chat.turn import Turn
from orbit.errors import OrbitError
from orbit.evaluation.asking import searching
from orbit.evaluation.questions import EvalQuestion
from orbit.host.host import OrbitHost
from orbit.types import CallContext, Document, GenerateOptions, Message

_ASK = (
    "Write one question that a reader would ask and that the passage below answers, in the passage's language. "
    "The question must make sense to someone who does not see the passage. Also give the shortest words of the passage "
    'that answer it. Answer in JSON: {"question": "...", "answer": "..."}\n\nPassage:\n'
)
_SCHEMA = {
    "type": "object",
    "properties": {"question": {"type": "string"}, "answer": {"type": "string"}},
    "required": ["question", "answer"],
    "additionalProperties": False,
}
_TOKENS = 200
_TRIES = 3
"""Passages tried for each question wanted: small models do not always write one."""


class _Written(msgspec.Struct):
    question: str
    answer: str


async def write_questions(
    host: OrbitHost, collection: str, wanted: int, progress: Callable[[int], None] = lambda _: None
) -> list[EvalQuestion]:
    """Return up to ``wanted`` questions, from as many files as possible. Raises OrbitError.

    A model's question is a draft: read it before you trust a figure that rests on it.
    """
    context = CallContext("orbit-eval", client_name="orbit eval", collection=collection)
    sources = sorted(await host.list_sources(collection, context))
    if not sources:
        raise OrbitError(f"the collection '{collection}' has no documents.")
    questions: list[EvalQuestion] = []
    tried = 0
    async for passage in passages(host, sources, context):
        if len(questions) >= wanted or tried >= wanted * _TRIES:
            break
        tried += 1
        if written := await _question(host, passage, context):
            questions.append(EvalQuestion(written.question.strip(), sources=(passage.source,), facts=(written.answer,)))
            progress(len(questions))
    return questions


async def passages(host: OrbitHost, sources: Sequence[str], context: CallContext) -> AsyncIterator[Document]:
    """Yield passages, of many files before many of one. Not every store lists them, so names and passages find more."""
    names = [PurePath(source).stem.replace("-", " ").replace("_", " ") for source in sources]
    Random(len(names)).shuffle(names)  # noqa: S311  # no secret; the same collection gives the same order
    retrieval, seen = searching(host), Counter[str]()
    ids: set[str] = set()
    others: dict[str, Document] = {}
    queries = deque(names)
    while queries or others:
        if queries:
            turn = Turn(queries.popleft(), context)
            found = await retrieval.retrieve(turn, Journal(turn), doubtful=True) or ()
            fresh = [item for item in found if item.id not in ids]
        else:  # every search has found only what was seen before
            fresh = list(others.values())
        if fresh:
            rarest = min(fresh, key=lambda item: seen[item.source])
            ids.add(rarest.id)
            others.update((item.id, item) for item in fresh)
            del others[rarest.id]
            seen[rarest.source] += 1
            queries.append(rarest.text)
            yield rarest


async def _question(host: OrbitHost, passage: Document, context: CallContext) -> _Written | None:
    """Return the model's question, if it is one that can be used: its answer is in the passage."""
    options = GenerateOptions(temperature=0, max_tokens=_TOKENS, json_schema=_SCHEMA)
    async with aclosing(host.generate([Message("user", _ASK + passage.text)], options, context)) as chunks:
        answer = "".join([chunk.text async for chunk in chunks])
    try:
        written = msgspec.json.decode(answer[answer.index("{") : answer.rindex("}") + 1], type=_Written)
    except (msgspec.DecodeError, ValueError):
        return None
    usable = written.question.strip() and written.answer.strip() and written.answer.strip() in passage.text
    return written if usable else None
