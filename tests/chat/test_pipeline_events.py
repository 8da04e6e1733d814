"""What a turn yields besides its text: thoughts, probabilities, passages and their links, steps of tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from actor_kit import Finder, Judge, document, raises, returns, turn
from host_tools import Bench, Talker, calls, says

import orbit
from orbit import Chunk, GenerateOptions, Message, ProviderError, Thought, ToolCall, WrittenToken
from orbit.chat.outcome import Answered, Ending, Event, Found, Refused, ScoredText, ToolStep
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Turn, TurnTimeout
from orbit.testing import host

PLUGINS: dict[str, type[orbit.Provider]] = {"talker": Talker, "bench": Bench, "judge": Judge, "finder": Finder}


class Stage:
    """A pipeline, its providers by name, and the records of its turns."""

    def __init__(self, running: Any, pipeline: Pipeline) -> None:
        self.host = running
        self.pipeline = pipeline
        self.records: list[orbit.ChatRecord] = []
        self.talker: Talker = running.registry["talker"]
        pipeline.recorder.record = lambda record, context: self.records.append(record)  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        return self.host.registry[name]

    async def ask(self, *lines: Any, **fields: Any) -> list[Event]:
        """Let the model play its lines; return all events."""
        self.talker.lines = list(lines)
        return [event async for event in self.pipeline.answer(turn(**fields))]


async def staged(path: Path, *names: str, links: Any = None, **config: Any) -> AsyncIterator[Stage]:
    sections: dict[str, Any] = {
        "talker": {},
        "general": {"inference_provider": "talker"},
        **{name: {} for name in names},
    }
    async with host({**sections, **config}, path, PLUGINS) as running, Pipeline(running, links=links) as pipeline:
        yield Stage(running, pipeline)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Stage]:
    async for stage in staged(tmp_path):
        yield stage


@pytest.fixture
async def equipped(tmp_path: Path) -> AsyncIterator[Stage]:
    """A model with tools."""
    async for stage in staged(tmp_path, "bench"):
        yield stage


def texts(events: Sequence[Event]) -> str:
    return "".join(event for event in events if isinstance(event, str))


def last(events: Sequence[Event]) -> Ending:
    assert isinstance(events[-1], Ending)
    return events[-1]


THOUGHTS = [Chunk(reasoning="hm"), Chunk(signature="s"), Chunk("Nine."), Chunk(finish_reason="stop")]


async def test_thoughts_reach_the_client_that_reads_them(bare: Stage) -> None:
    thoughts = [Thought("hm"), Thought("", "s")]
    events = await bare.ask(THOUGHTS, thoughts=True)
    assert events[:-1] == [*thoughts, "Nine."]
    assert last(events).thoughts == tuple(thoughts)
    events = await bare.ask(THOUGHTS)
    assert (events[:-1], last(events).thoughts) == (["Nine."], ())


async def test_thoughts_that_no_moderator_reads_stay(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "judge"):
        events = await stage.ask(THOUGHTS, thoughts=True)
        assert (events[:-1], last(events).thoughts) == (["Nine."], ())


async def test_probabilities_come_with_their_text(bare: Stage) -> None:
    at, nine = (WrittenToken(text, -0.5) for text in ("At ", "nine."))
    line = [Chunk("At ", logprobs=(at,)), Chunk("nine.", logprobs=(nine,)), Chunk("!"), Chunk(finish_reason="stop")]
    events = await bare.ask(line)
    assert texts(events) == "At nine.!"
    assert [event.logprobs for event in events if isinstance(event, ScoredText)] == [(at,), (nine,)]
    assert last(events).logprobs == (at, nine)


class Shelf:
    """Links of passages."""

    def __init__(self) -> None:
        self.asked: list[tuple[Turn, Sequence[orbit.Document]]] = []

    async def of(self, asked: Turn, documents: Sequence[orbit.Document]) -> tuple[str, ...]:
        self.asked.append((asked, documents))
        return tuple(f"https://example.org/{document.id}" for document in documents)


async def test_passages_come_first_with_their_links(tmp_path: Path) -> None:
    shelf = Shelf()
    async for stage in staged(tmp_path, "finder", links=shelf):
        stage.finder.acts["retrieve"] = returns([document("a"), document("b")])
        first, *others = await stage.ask(says("Nine [2]."), found=True)
        assert isinstance(first, Found)
        assert [(source.id, source.link) for source in first.sources] == [
            ("a", "https://example.org/a"),
            ("b", "https://example.org/b"),
        ]
        assert last(others).sources == first.sources
        ((asked, documents),) = shelf.asked
        assert (asked.question, [one.id for one in documents]) == ("When?", ["a", "b"])
        assert not isinstance((await stage.ask(says("Nine [2].")))[0], Found)


async def test_links_end_at_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    import time

    shelf = Shelf()

    async def hang(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(shelf, "of", hang)
    async for stage in staged(tmp_path, "finder", links=shelf):
        stage.finder.acts["retrieve"] = returns([document("a")])
        with pytest.raises(TurnTimeout):
            await stage.ask(deadline=time.monotonic() + 0.3)


async def test_a_search_returns_what_a_model_would_read(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "finder", retrieval={"max_documents": 1}):
        stage.finder.acts["retrieve"] = returns([document("a", 0.5), document("b")])
        (source,) = await stage.pipeline.search(turn(collection="books"))
        assert (source.number, source.id, source.text) == (1, "a", "passage a")
        ((query, _),) = stage.finder.made("retrieve")
        assert query == orbit.Query("When?", "books")
        assert stage.finder.contexts[0].remaining() is not None


async def test_without_retrievers_a_search_finds_nothing_or_is_refused(bare: Stage) -> None:
    assert await bare.pipeline.search(turn()) == ()
    with pytest.raises(ProviderError, match="cannot be searched"):
        await bare.pipeline.search(turn(collection="books"))


async def test_the_size_of_a_prompt(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, talker={"window": 500}):
        assert await stage.pipeline.count_tokens(turn(system_prompt="")) == orbit.TokenCount(len("When?"), 500)


async def test_the_pipeline_after_a_reload_shares_places_counts_and_rounds(bare: Stage) -> None:
    after = Pipeline(bare.host, former=bare.pipeline)
    assert after.admission is bare.pipeline.admission
    assert after.metrics is bare.pipeline.metrics
    assert after._rounds is bare.pipeline._rounds
    assert Pipeline(bare.host).admission is not after.admission


async def test_a_tool_is_called_between_two_texts(equipped: Stage) -> None:
    events = await equipped.ask(calls("weather", text="Let me see."), says("It rains."))
    assert texts(events) == "Let me see.\n\nIt rains."
    steps = [event for event in events if isinstance(event, ToolStep)]
    assert [(step.id, step.name, step.status) for step in steps] == [
        ("weather-0", "weather", "running"),
        ("weather-0", "weather", "ok"),
    ]
    ending = last(events)
    assert isinstance(ending, Answered)
    assert ending.usage == orbit.Usage(50, 15)
    (use,) = ending.tool_uses
    assert (use.name, use.provider, use.result) == ("weather", "bench", "weather: rain")
    (record,) = equipped.records
    assert record.tool_uses == (use,)
    assert record.response == texts(events)
    second = equipped.talker.seen[1][0]
    assert [message.role for message in second[-3:]] == ["user", "assistant", "tool"]
    assert second[-1].content == "weather: rain"


async def test_a_line_that_ends_needs_no_gap(equipped: Stage) -> None:
    assert texts(await equipped.ask(calls("weather", text="See:\n"), says("Rain."))) == "See:\nRain."
    assert texts(await equipped.ask(calls("weather"), says("Rain."))) == "Rain."


async def test_signed_thoughts_go_back_with_the_results(equipped: Stage) -> None:
    thinking = [Chunk(reasoning="hm"), Chunk(reasoning="!", signature="s"), *calls("weather")]
    await equipped.ask(thinking, says("Rain."))
    assert equipped.talker.seen[1][0][-2].thoughts == (Thought("hm!", "s"),)


async def test_a_model_that_calls_and_says_nothing_failed(equipped: Stage) -> None:
    with pytest.raises(ProviderError) as raised:
        await equipped.ask(calls("weather"), [Chunk(finish_reason="stop")])
    error = raised.value
    assert error.message == "the model called tools and then gave no answer."
    assert (error.client, error.provider, error.operation) == (
        "The model called tools, but gave no answer.",
        "talker",
        "generate",
    )


async def test_the_limit_of_an_answer_is_for_all_its_rounds(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "bench", limits={"max_answer_chars": 45}):
        events = await stage.ask(calls("weather", text="0123456789\n"), [Chunk("word ")] * 9)
        assert texts(events) == "0123456789\n" + ("word " * 9)[:34]
        assert last(events).finish_reason == "length"


async def test_a_page_that_wants_a_title_needs_no_tools(equipped: Stage) -> None:
    await equipped.ask(says("A title"), task="title")
    assert equipped.talker.seen[0][1].tools == ()


async def test_calls_of_a_client_reach_it_and_its_next_round_goes_on(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "bench", "finder"):
        stage.finder.acts["retrieve"] = returns([document("a")])
        options = GenerateOptions(tools=(orbit.Tool("own"),))
        ending = last(await stage.ask(calls("weather"), calls("own"), options=options, key_id="k"))
        assert [call.name for call in ending.tool_calls] == ["own"]
        assert ending.finish_reason == "tool_calls"
        (call,) = ending.tool_calls
        later = (Message("assistant", "", tool_calls=(call,)), Message("tool", "seen", tool_call_id=call.id))
        stage.finder.calls.clear()
        await stage.ask(says("It rains."), options=options, key_id="k", later=later)
        assert stage.finder.made("retrieve") == []  # the question is not searched for again
        (messages, _) = stage.talker.seen[-1]
        assert "passage a" in str(messages)
        assert [message.content for message in messages if message.role == "tool"] == ["weather: rain", "seen"]
        assert not stage.records[-1].reason  # no search is missing


async def test_what_tools_of_a_client_returned_is_judged_without_a_search(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "judge"):

        async def judge(text: str) -> orbit.Verdict:
            return orbit.Verdict("wet" not in text, "wet")

        stage.judge.acts["moderate"] = judge
        call = ToolCall("1", "own", "{}")
        later = (Message("assistant", "", tool_calls=(call,)), Message("tool", "wet", tool_call_id="1"))
        ending = last(await stage.ask(later=later))
        assert isinstance(ending, Refused)
        assert (ending.reason, stage.talker.seen) == ("wet", [])


async def test_moderators_read_the_calls_of_an_answer(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "judge", "bench"):
        await stage.ask(calls("weather", text="One."), says("Two."))
        assert [texts[-1] for (texts,) in stage.judge.made("output")] == [
            "One.",
            'One.\nweather {"town": "Bonn"}',
            "One.\n\nTwo.",
        ]


async def test_a_claim_that_no_passage_has_ends_the_answer_or_is_named(tmp_path: Path) -> None:
    for verify, said in (("withhold", "It opens.\n\nI cannot confirm the rest"), ("mark", "do not mention 42")):
        async for stage in staged(tmp_path / verify, "finder", answers={"verify": verify}):
            stage.finder.acts["retrieve"] = returns([document("a")])
            events = await stage.ask(says("It opens. At 42."))
            assert said in texts(events) + last(events).text
            assert "42" in stage.records[-1].reason


async def test_a_follow_up_is_rewritten_by_the_model_of_the_settings(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, "finder", retrieval={"rewriter": "talker"}):
        history = (Message("user", "When does it open?"), Message("assistant", "At nine."))
        await stage.ask(says("When does it close?"), says("At ten."), question="And close?", history=history)
        assert [query.text for query, _ in stage.finder.made("retrieve")] == ["And close?", "When does it close?"]


async def test_what_fails_beside_an_answer_is_told_to_operators(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async for stage in staged(tmp_path, "finder", retrieval={"on_error": "answer_without"}):
        stage.finder.acts["retrieve"] = raises(ProviderError("away."))
        ending = last(await stage.ask(says("Nine.")))
        assert ending.without_documents
        sentence = "answering without its documents: finder could not retrieve: away."
        assert caplog.messages == [sentence]
        assert stage.pipeline.metrics.failures == {("finder", "retrieve", "failed"): 1}
