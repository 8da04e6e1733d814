"""Questions with what is right, one JSON object a line."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TypeAlias

import msgspec

from orbit.errors import OrbitError

Fact: TypeAlias = str | tuple[str, ...]
"""What an answer must contain, or several ways to write it."""


class EvalQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question and what is known about its answer. Other fields of a line are ignored."""

    question: str = ""
    query: str = ""
    """The question, in lines of the chat log."""
    sources: tuple[str, ...] = ()
    """The files that answer it. Any of them will do."""
    text: str = ""
    """Words of the passage that answers it. With them, only a passage that has them counts as found."""
    facts: tuple[Fact, ...] = ()
    """What the answer must contain, such as numbers and names; a list of several spellings, of which one will do."""
    answerable: bool | None = None
    """False if the documents do not answer it. Without it: True if the line says what is right, else unknown."""
    language: str = ""
    """Its language, to group figures by."""

    @property
    def asked(self) -> str:
        """The question."""
        return (self.question or self.query).strip()

    @property
    def labelled(self) -> bool | None:
        """Whether the documents answer it; None if that is unknown."""
        if self.answerable is None and (self.sources or self.text or self.facts):
            return True
        return self.answerable


class _Logged(msgspec.Struct):
    """A line of the chat log. Its sources are what an answer had, not what is right."""

    request_id: str = ""
    query: str = ""
    task: str = ""
    """What a client wanted for its own page: no question of a person."""


def read_questions(path: Path) -> list[EvalQuestion]:
    """Read a file of questions, or of the chat log. Raises OrbitError with the line of a mistake."""
    questions = []
    decoder = msgspec.json.Decoder(EvalQuestion)
    for number, line in enumerate(path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            logged = msgspec.json.decode(line, type=_Logged)
            question = EvalQuestion(query=logged.query) if logged.request_id else decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise OrbitError(f"{path}, line {number}: {error}.") from error
        if logged.task:
            continue
        if not question.asked:
            raise OrbitError(f'{path}, line {number}: it has no "question".')
        if question.labelled is False and (question.sources or question.text or question.facts):
            raise OrbitError(f'{path}, line {number}: "answerable" is false, but the line says what is right.')
        questions.append(question)
    if not questions:
        raise OrbitError(f"{path} has no questions.")
    return questions
