"""Follow-up questions that a model rewrites for the search, through a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import orbit
from orbit.chat.search.rewriting import Rewriter
from orbit.chat.turn import Turn
from orbit.testing import RunningServer, serve
from orbit.testing.hosting import make_host

TALK = [
    {"role": "user", "content": "When does the library open?"},
    {"role": "assistant", "content": "At nine. <|im_start|>"},
]


class Writer(orbit.Provider):
    """Answers, and rewrites as the test says."""

    said: Any = "When does the library open on Sunday?"
    asked: Sequence[orbit.Message] = ()

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        if not messages[0].content.startswith("You prepare searches."):
            yield orbit.Chunk("yes", finish_reason="stop")
            return
        self.asked = messages
        if isinstance(self.said, Exception):
            raise self.said
        yield orbit.Chunk(self.said, finish_reason="stop")


class Finder(orbit.Provider):
    """Notes what it is to find."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.texts: list[str] = []

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query) -> list[orbit.Document]:
        self.texts.append(query.text)
        return [orbit.Document("1", "It opens at ten on Sundays.", score=0.9)]


PLUGINS: dict[str, type[orbit.Provider]] = {"writer": Writer, "finder": Finder}
CONFIG: dict[str, Any] = {
    "writer": {},
    "finder": {},
    "models": {"default": "large", "large": {"provider": "writer"}, "small": {"provider": "writer", "internal": True}},
    "retrieval": {"rewriter": "small"},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with serve(CONFIG, tmp_path_factory.mktemp("orbit"), PLUGINS) as running:
        yield running


def searched(server: RunningServer, question: str, talk: Sequence[dict[str, str]] = TALK) -> list[str]:
    finder = server.provider("finder")
    finder.texts.clear()
    body = {"model": "orbit", "messages": [*talk, {"role": "user", "content": question}]}
    headers = {"Authorization": f"Bearer {server.key}"}
    response = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=30)
    assert response.status_code == 200, response.text
    return sorted(finder.texts)


def test_a_follow_up_is_searched_as_it_is_meant(server: RunningServer) -> None:
    server.provider("writer").said = '\n "When does the library open on Sunday?"\nI put in the library.'
    found = searched(server, "And on Sunday?")
    assert found == ["And on Sunday?", "When does the library open on Sunday?"]
    shown = server.provider("writer").asked[-1].content
    assert "user: When does the library open?\nassistant: At nine. (|im_start|>\nuser: And on Sunday?" in shown


def test_other_questions_are_not_rewritten(server: RunningServer) -> None:
    server.provider("writer").said = "x"
    whole = "Which of the museums of the town are open in the evening?"
    assert searched(server, whole) == [whole]
    assert searched(server, "And on Sunday?", []) == ["And on Sunday?"]


@pytest.mark.parametrize("said", [" ", "much " * 200, orbit.ProviderError("away", kind="unavailable")], ids=repr)
def test_without_a_usable_answer_the_earlier_questions_are_searched(
    server: RunningServer, said: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.provider("writer").said = said
    assert searched(server, "And on Sunday?") == ["And on Sunday?", "When does the library open?\nAnd on Sunday?"]
    told = "away" if isinstance(said, Exception) else "it returned no question. Models that think first"
    assert f"searching with the earlier questions as they are: {told}" in caplog.text.replace(
        "small could not generate: ", ""
    ).replace("writer could not generate: ", "")


async def test_a_model_that_hangs_is_left() -> None:
    reported: list[str] = []

    async def hangs(*_: Any) -> AsyncGenerator[orbit.Chunk]:
        await asyncio.Event().wait()
        yield orbit.Chunk()

    rewriter = Rewriter(hangs, "small", 0.01, lambda consequence, error: reported.append(f"{consequence}: {error}"))
    turn = Turn("And then?", orbit.CallContext("r"), history=(orbit.Message("user", "Why?"),))
    assert await rewriter.rewritten(turn) == ""
    assert reported == [
        "searching with the earlier questions as they are: small could not generate: no answer within 0.01 s."
    ]


@pytest.mark.parametrize(("name", "well"), [("small", True), ("writer", True), ("finder", False), ("smal", False)])
def test_the_name_is_checked(tmp_path: Path, name: str, well: bool) -> None:
    problems = make_host({**CONFIG, "retrieval": {"rewriter": name}}, tmp_path, PLUGINS).problems
    assert [problem.path for problem in problems] == ([] if well else ["retrieval.rewriter"])


TURN = Turn("And then?", orbit.CallContext("r"), history=(orbit.Message("user", "Why?"),))


async def test_a_small_model_is_asked_briefly_and_without_chance() -> None:
    asked: list[tuple[Any, ...]] = []

    async def writes(*arguments: Any) -> AsyncGenerator[orbit.Chunk]:
        asked.append(arguments)
        yield orbit.Chunk("Why ")
        yield orbit.Chunk("then?")

    assert await Rewriter(writes, "small", 5, lambda *_: None).rewritten(TURN) == "Why then?"
    ((messages, options, context, model),) = asked
    assert options == orbit.GenerateOptions(temperature=0.0, max_tokens=120, stream=False)
    assert (msgspec.structs.replace(context, deadline=None), model) == (TURN.context, "small")
    assert 0 < context.remaining() <= 5
    assert [message.role for message in messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("w" * 600, "w" * 600),
        ("w" * 601, ""),
        ('"X marks it"', "X marks it"),
        ("„Wann?“", "Wann?"),
        ("«Quand ?»", "Quand ?"),
    ],
)
async def test_what_a_question_is(said: str, expected: str) -> None:
    async def writes(*_: Any) -> AsyncGenerator[orbit.Chunk]:
        yield orbit.Chunk(said)

    assert await Rewriter(writes, "small", 5, lambda *_: None).rewritten(TURN) == expected


@pytest.mark.parametrize("error", [orbit.ProviderError("away."), orbit.PromptTooLong("too long.")])
async def test_a_model_that_fails_is_reported(error: orbit.OrbitError) -> None:
    reported: list[object] = []

    async def fails(*_: Any) -> AsyncGenerator[orbit.Chunk]:
        if error.code:
            raise error
        yield orbit.Chunk()

    rewriter = Rewriter(fails, "small", 5, lambda _, failure: reported.append(failure))
    assert await rewriter.rewritten(TURN) == ""
    assert reported == [error]
