"""``asyncio.timeout`` of whoever asks ends a turn in every phase, and what the turn had begun ends with it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.chat.history.conversations import Conversations
from orbit.chat.outcome import Event, Refused
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Turn
from orbit.errors import DatabaseUnavailable
from orbit.testing import host

SENTENCE = "A first sentence. "


class Stuck(orbit.Provider):
    """Hangs in the hook that ``at`` names, and does all others at once."""

    at = ""
    begun = 0
    ended = 0

    async def pass_by(self, hook: str) -> None:
        if hook != self.at:
            return
        self.begun += 1
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)  # closing takes a moment, too
            self.ended += 1

    def moderates(self, stage: str) -> bool:
        return True

    @orbit.hookimpl
    async def moderate(self, stage: str, messages: Sequence[orbit.Message]) -> orbit.Verdict:
        await self.pass_by(f"moderate {stage}")
        await asyncio.sleep(0.01)
        return orbit.Verdict("refuse" not in messages[-1].content)

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int) -> list[orbit.Document]:
        await self.pass_by("retrieve")
        return [orbit.Document("1", "a passage")]

    @orbit.hookimpl
    async def rerank(
        self, query: orbit.Query, documents: Sequence[orbit.Document], limit: int
    ) -> Sequence[orbit.Document]:
        await self.pass_by("rerank")
        return documents

    @orbit.hookimpl
    async def count_tokens(self, messages: Sequence[orbit.Message]) -> orbit.TokenCount:
        await self.pass_by("count_tokens")
        return orbit.TokenCount(10, 1000)

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        await self.pass_by("first token")
        yield orbit.Chunk(SENTENCE)
        await self.pass_by("next token")
        yield orbit.Chunk("A second.", finish_reason="stop")


class Drawer:
    """A store of conversations whose reading or writing hangs."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    async def conversation_turns(self, *_: Any) -> list[Any]:
        await self.provider.pass_by("session read")
        return []

    async def add_turn(self, *_: Any) -> None:
        await self.provider.pass_by("session write")

    async def forget_turns(self, *_: Any) -> None:
        raise DatabaseUnavailable("not here")


PHASES = [
    "moderate input",
    "retrieve",
    "rerank",
    "count_tokens",
    "first token",
    "next token",
    "moderate output",
    "session read",
    "session write",
]


async def ask(running: Any, turn: Turn, *, hang_after: int = -1) -> list[Event]:
    """Ask as a client of the pipeline does, which may itself hang after some events."""
    store: Any = Drawer(running.registry["stuck"])
    async with (
        Pipeline(running) as pipeline,
        Conversations(store, running.config.host.sessions, pipeline) as sessions,
    ):
        events = sessions.answer(turn)
        got: list[Event] = []
        try:
            async for event in events:
                got.append(event)
                if len(got) == hang_after:
                    await asyncio.sleep(60)
        finally:
            await events.aclose()
            assert pipeline.admission.running == 0
        return got


def turn(question: str = "hello", deadline: float | None = None) -> Turn:
    return Turn(question, orbit.CallContext("r", session_id="s", deadline=deadline))


@pytest.mark.parametrize("phase", PHASES)
async def test_the_callers_timeout_ends_every_phase(tmp_path: Path, phase: str) -> None:
    async with host({"stuck": {}, "general": {"inference_provider": "stuck"}}, tmp_path, {"stuck": Stuck}) as running:
        stuck: Any = running.registry["stuck"]
        stuck.at = phase
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ask(running, turn())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert (stuck.begun, stuck.ended) == (1, 1)
        await asyncio.sleep(0)  # a stray cancellation would be raised here


@pytest.mark.parametrize("events", [1, 2, 3])
async def test_the_callers_timeout_ends_a_turn_while_the_caller_sends(tmp_path: Path, events: int) -> None:
    async with host({"stuck": {}}, tmp_path, {"stuck": Stuck}) as running:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ask(running, turn(), hang_after=events)


async def test_the_callers_timeout_ends_the_wait_for_a_place(tmp_path: Path) -> None:
    config = {"stuck": {}, "limits": {"max_concurrent": 1}}
    async with host(config, tmp_path, {"stuck": Stuck}) as running, Pipeline(running) as pipeline:
        await pipeline.admission.enter("another")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(pipeline.answer(turn()))
        assert pipeline.admission.waiting == 0


@pytest.mark.parametrize("phase", PHASES[:-2])
async def test_the_turns_own_deadline_ends_every_phase(tmp_path: Path, phase: str) -> None:
    config = {"stuck": {}, "timeouts": {"turn": 0.2}}
    async with host(config, tmp_path, {"stuck": Stuck}) as running, Pipeline(running) as pipeline:
        stuck: Any = running.registry["stuck"]
        stuck.at = phase
        with pytest.raises(orbit.OrbitError) as raised:
            [event async for event in pipeline.answer(turn())]
        assert raised.value.code == "turn_timeout"
        assert (stuck.begun, stuck.ended) == (1, 1)
        assert pipeline.metrics.turns == {"turn_timeout": 1}
        assert pipeline.admission.running == 0


async def test_a_refused_questions_retriever_is_stopped_at_once(tmp_path: Path) -> None:
    async with host({"stuck": {}}, tmp_path, {"stuck": Stuck}) as running, Pipeline(running) as pipeline:
        stuck: Any = running.registry["stuck"]
        stuck.at = "retrieve"
        async with asyncio.timeout(5):
            got = [event async for event in pipeline.answer(turn("refuse this"))]
        assert isinstance(got[-1], Refused)
        assert (stuck.begun, stuck.ended) == (1, 1)


class Rude(Stuck):
    """Fails in odd ways, as its question says."""

    @orbit.hookimpl
    async def retrieve(self, query: orbit.Query, limit: int) -> list[orbit.Document]:
        return []

    @orbit.hookimpl
    async def moderate(self, stage: str, messages: Sequence[orbit.Message]) -> orbit.Verdict:
        await self.fail("moderate", messages[0].content)
        return orbit.Verdict(allowed=True)

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        await self.fail("generate", messages[-1].content)
        yield orbit.Chunk("fine")

    async def fail(self, hook: str, question: str) -> None:
        if not question.startswith(hook):
            return
        if "cancelled" in question:
            raise asyncio.CancelledError
        if "exit" in question:
            raise SystemExit(3)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.too_long() if "long" in question else self.known())

    async def known(self) -> None:
        raise orbit.ProviderError("as it was asked.", kind="overloaded")

    async def too_long(self) -> None:
        raise orbit.PromptTooLong("too long.")


@pytest.mark.parametrize("hook", ["moderate", "generate"])
@pytest.mark.parametrize(
    ("way", "code"),
    [
        ("cancelled", "provider_failed"),
        ("exit", "provider_failed"),
        ("in a group", "provider_overloaded"),
        ("too long in a group", "prompt_too_long"),
    ],
)
async def test_whatever_a_hook_raises_is_its_failure_and_nobody_elses(
    tmp_path: Path, hook: str, way: str, code: str
) -> None:
    async with host({"rude": {}}, tmp_path, {"rude": Rude}) as running, Pipeline(running) as pipeline:
        with pytest.raises(orbit.OrbitError) as raised:
            [event async for event in pipeline.answer(turn(f"{hook} {way}"))]
        assert raised.value.code == code
        if isinstance(raised.value, orbit.ProviderError):
            assert (raised.value.provider, raised.value.operation) == ("rude", hook)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


class Deaf(orbit.Provider):
    """Does not stop when it is cancelled for the first time, but answers."""

    @orbit.hookimpl
    async def generate(self, messages: Sequence[orbit.Message]) -> AsyncIterator[orbit.Chunk]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            yield orbit.Chunk("late")
        await asyncio.sleep(60)


async def test_a_model_that_overhears_its_deadline_does_not_take_the_callers_timeout_away(tmp_path: Path) -> None:
    config = {"deaf": {}, "timeouts": {"first_token": 0.1}}
    async with host(config, tmp_path, {"deaf": Deaf}) as running, Pipeline(running) as pipeline:
        events = pipeline.answer(turn())
        assert await anext(events) == "late"
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0  # the deadline has taken its cancellation back
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(events)
