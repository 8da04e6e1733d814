"""One turn from the question to its record: every outcome, in every phase, with real providers."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from actor_kit import PLUGINS, Finder, Judge, document, raises, returns, turn

import orbit
from orbit.chat.outcome import Answered, Event, NothingFound, Refused
from orbit.chat.pipeline import Pipeline
from orbit.chat.turn import Turn, TurnTimeout
from orbit.errors import PromptTooLong, ProviderError
from orbit.testing import host


class Stage:
    """A pipeline and its providers by name: judge, finder, sorter, model."""

    nothing: ClassVar[dict[str, str]] = {}

    def __init__(self, running: Any, pipeline: Pipeline) -> None:
        self.registry = running.registry
        self.pipeline = pipeline

    def __getattr__(self, name: str) -> Any:
        return self.registry[name]

    async def ask(self, asked: Turn | None = None) -> tuple[str, Any]:
        *texts, ending = [event async for event in self.pipeline.answer(asked or turn())]
        assert self.pipeline.admission.running == 0
        return "".join(str(text) for text in texts), ending

    async def record(self) -> orbit.ChatRecord:
        for _ in range(1000):
            if records := self.model.made("log"):
                assert len(records) == 1
                found: orbit.ChatRecord = records[0][0]
                return found
            await asyncio.sleep(0.01)
        raise AssertionError("no record")

    def says(self, *chunks: orbit.Chunk, then: BaseException | None = None) -> None:
        async def act() -> AsyncIterator[orbit.Chunk]:
            for chunk in chunks:
                yield chunk
            if then is not None:
                raise then

        self.model.acts["generate"] = act


async def staged(path: Path, names: Sequence[str], **config: Any) -> AsyncIterator[Stage]:
    sections: dict[str, Any] = {name: {} for name in (*names, "model")}
    async with host({**sections, **config}, path, PLUGINS) as running, Pipeline(running) as pipeline:
        yield Stage(running, pipeline)


@pytest.fixture
async def bare(tmp_path: Path) -> AsyncIterator[Stage]:
    """A model alone."""
    async for stage in staged(tmp_path, []):
        yield stage


@pytest.fixture
async def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A judge of questions, a finder with a default collection, a sorter and a model."""
    monkeypatch.setattr(Judge, "stages", ("input",))
    monkeypatch.setattr(Finder, "collection", "books")
    retrieval = {"on_nothing_found": "respond", "max_documents": 2}
    async for stage in staged(tmp_path, ["judge", "finder", "sorter"], retrieval=retrieval, timeouts={"retrieve": 600}):
        yield stage


@pytest.fixture
async def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A judge of answers and a model."""
    monkeypatch.setattr(Judge, "stages", ("output",))
    async for stage in staged(tmp_path, ["judge"]):
        yield stage


async def test_an_answered_turn(bare: Stage) -> None:
    asked = turn(system_prompt="Be kind.", client_system="Be short.", options=orbit.GenerateOptions(max_tokens=9))
    bare.says(orbit.Chunk("An "), orbit.Chunk("answer."), orbit.Chunk(finish_reason="length", usage=orbit.Usage(3, 4)))
    text, ending = await bare.ask(asked)
    assert text == "An answer."
    assert ending == Answered(finish_reason="length", usage=orbit.Usage(3, 4), provider="model", tries=1)
    ((messages, options, context),) = bare.model.made("generate")
    assert messages == (orbit.Message("system", "Be kind.\n\nBe short."), orbit.Message("user", "When?"))
    assert options == asked.options
    assert 0 < context.remaining() <= 600
    record = await bare.record()
    assert (record.status, record.reason, record.response, record.backend) == ("ok", "", "An answer.", "model")
    assert (record.prompt_tokens, record.completion_tokens) == (3, 4)
    assert sorted(record.durations) == ["first_token", "generate", "total"]
    assert record.durations["first_token"] <= record.durations["generate"] <= record.durations["total"]
    assert bare.pipeline.metrics.turns == {"ok": 1}


async def test_a_key_without_a_prompt_gets_the_default_and_its_own_may_be_empty(bare: Stage) -> None:
    await bare.ask()
    await bare.ask(turn(system_prompt=""))
    (first, *_), (second, *_) = bare.model.made("generate")
    assert first[0].content.startswith("You are a helpful assistant.")
    assert second == (orbit.Message("user", "When?"),)


async def test_an_answer_from_documents(judged: Stage) -> None:
    judged.finder.acts["retrieve"] = returns([document(number, 0.5) for number in range(3)])
    judged.says(orbit.Chunk("Yes [2] [3]."))
    asked = turn(collection="books", options=orbit.GenerateOptions(stream=False))
    text, ending = await judged.ask(asked)
    assert text == "Yes [2] ."
    assert [source.id for source in ending.sources] == ["0", "1"]
    assert (ending.dropped_documents, ending.without_documents) == (0, False)
    ((messages, options, _),) = judged.model.made("generate")
    assert "passage 1" in messages[-1].content
    assert options.stream  # it may end before the model does
    record = await judged.record()
    assert [source.id for source in record.sources] == ["0", "1"]
    assert {"moderate", "retrieve", "rerank", "first_token", "generate", "total"} == record.durations.keys()


async def test_an_answer_without_documents_is_whole_if_the_client_wants_it_so(bare: Stage) -> None:
    await bare.ask(turn(options=orbit.GenerateOptions(stream=False)))
    assert not bare.model.made("generate")[0][1].stream


async def test_where_nothing_is_found_a_text_answers(judged: Stage) -> None:
    text, ending = await judged.ask()
    assert (text, type(ending), ending.finish_reason) == ("", NothingFound, "stop")
    assert ending.text == "I could not find anything about that in the documents I have."
    assert judged.model.made("generate") == judged.sorter.made("rerank") == []
    record = await judged.record()
    assert (record.status, record.reason, record.blocked, record.response) == (
        "ok",
        "nothing found",
        False,
        ending.text,
    )
    assert (record.backend, ending.provider) == ("", "")


async def test_a_refused_question_never_reaches_the_model(judged: Stage) -> None:
    judged.judge.acts["moderate"] = returns(orbit.Verdict(allowed=False, reason="rude", message="Be kind."))
    text, ending = await judged.ask()
    assert (text, ending) == ("", Refused("Be kind.", reason="rude"))
    assert judged.model.made("generate") == []
    record = await judged.record()
    assert (record.status, record.blocked, record.reason, record.response) == ("blocked", True, "rude", "Be kind.")
    assert judged.judge.made("input") == [(["When?"],)]


async def test_a_refused_questions_search_is_stopped_at_once(judged: Stage) -> None:
    ended = []

    async def search(_: str) -> list[orbit.Document]:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)
        return []

    async def refuse(_: str) -> orbit.Verdict:
        await asyncio.sleep(0.01)
        return orbit.Verdict(allowed=False)

    judged.finder.acts["retrieve"], judged.judge.acts["moderate"] = search, refuse
    async with asyncio.timeout(20):
        _, ending = await judged.ask()
    assert (type(ending), ended) == (Refused, [True])


async def test_a_judge_that_fails_stops_the_search_and_the_turn(judged: Stage) -> None:
    async def search(_: str) -> list[orbit.Document]:
        await asyncio.sleep(60)
        return []

    judged.finder.acts["retrieve"] = search
    judged.judge.acts["moderate"] = raises(ProviderError("away.", kind="unavailable"))
    async with asyncio.timeout(20):
        with pytest.raises(ProviderError, match="judge could not moderate: away"):
            await judged.ask()
    record = await judged.record()
    assert (record.status, record.reason) == ("provider_unavailable", "judge could not moderate: away.")
    assert judged.pipeline.metrics.failures == {("judge", "moderate", "unavailable"): 1}


async def test_a_search_that_fails_waits_for_the_judge(judged: Stage) -> None:
    async def refuse(_: str) -> orbit.Verdict:
        await asyncio.sleep(0.02)
        return orbit.Verdict(allowed=False)

    judged.finder.acts["retrieve"] = raises(ProviderError("away."))
    with pytest.raises(ProviderError, match="finder could not retrieve: away"):
        await judged.ask()
    judged.judge.acts["moderate"] = refuse
    assert isinstance((await judged.ask())[1], Refused)


@pytest.mark.parametrize("names", [["finder"], ["finder", "judge"]])
async def test_where_the_operator_chose_so_a_failed_search_is_no_failure(tmp_path: Path, names: list[str]) -> None:
    async for stage in staged(tmp_path, names, retrieval={"on_error": "answer_without"}):
        stage.finder.acts["retrieve"] = raises(ProviderError("away."))
        text, ending = await stage.ask()
        assert (text, type(ending), ending.without_documents) == ("An answer.", Answered, True)
        assert (await stage.record()).reason == "retrieval failed"


@pytest.mark.parametrize("blank", ["", "\n "])
async def test_what_the_models_own_filter_took_is_a_refusal(guarded: Stage, blank: str) -> None:
    guarded.says(orbit.Chunk(blank), orbit.Chunk(finish_reason="content_filter", usage=orbit.Usage(3, 1)))
    _, ending = await guarded.ask()
    assert (type(ending), ending.text, ending.provider) == (Refused, "I cannot help with that request.", "model")
    assert (ending.usage, ending.finish_reason) == (orbit.Usage(3, 1), "content_filter")
    record = await guarded.record()
    assert (record.status, record.reason) == ("blocked", "the model's own filter left nothing of the answer")
    assert guarded.judge.made("output") == []


@pytest.mark.parametrize(
    ("chunks", "sentence"),
    [
        ((orbit.Chunk(finish_reason="stop"),), "the model gave no answer."),
        ((orbit.Chunk(" "), orbit.Chunk(finish_reason="length")), "the model used up its tokens before its answer;"),
        ((orbit.Chunk(reasoning="hm"),), "the model thought, but gave no answer."),
    ],
)
async def test_an_empty_answer_is_a_failure(bare: Stage, chunks: tuple[orbit.Chunk, ...], sentence: str) -> None:
    bare.says(*chunks)
    with pytest.raises(ProviderError) as raised:
        await bare.ask()
    assert str(raised.value).startswith(f"model could not generate: {sentence}")
    assert (raised.value.client, raised.value.code) == ("The model gave no answer.", "provider_failed")
    assert (await bare.record()).status == "provider_failed"


async def test_a_clients_stop_may_leave_nothing(bare: Stage) -> None:
    bare.says(orbit.Chunk(finish_reason="stop"))
    assert (await bare.ask(turn(options=orbit.GenerateOptions(stop=("x",)))))[0] == ""


async def test_an_answer_that_is_too_long_is_cut_and_the_model_stopped(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, [], limits={"max_answer_chars": 10}):
        closed: list[bool] = []

        async def endless(closed: list[bool] = closed) -> AsyncIterator[orbit.Chunk]:
            try:
                while True:
                    yield orbit.Chunk("word ")
            finally:
                closed.append(True)

        stage.model.acts["generate"] = endless
        text, ending = await stage.ask()
        assert (text, ending.finish_reason, ending.usage) == ("word word ", "length", orbit.Usage(11, 3))
        assert closed == [True]


async def test_an_answer_is_judged_by_sentences_with_all_before(guarded: Stage) -> None:
    guarded.says(orbit.Chunk("One. Tw"), orbit.Chunk("o. Three"), orbit.Chunk(finish_reason="stop"))
    events: list[Event] = [event async for event in guarded.pipeline.answer(turn())]
    assert events[:-1] == ["One.", " Two.", " Three"]
    assert guarded.judge.made("output") == [(["When?", text],) for text in ("One.", "One. Two.", "One. Two. Three")]
    assert (await guarded.record()).response == "One. Two. Three"


async def test_a_refused_answer_ends_after_what_passed(guarded: Stage) -> None:
    async def judge(text: str) -> orbit.Verdict:
        return orbit.Verdict("bad" not in text, "bad word")

    guarded.judge.acts["moderate"] = judge
    guarded.says(orbit.Chunk("One. ", usage=orbit.Usage(3, 1)), orbit.Chunk("A bad one. "), orbit.Chunk("More."))
    text, ending = await guarded.ask()
    assert text == "One."
    assert ending == Refused(
        "I cannot help with that request.", usage=orbit.Usage(3, 1), provider="model", reason="bad word"
    )
    record = await guarded.record()
    assert record.response == "One.I cannot help with that request."
    assert (record.status, record.blocked, record.backend) == ("blocked", True, "model")


async def test_a_judge_of_answers_that_fails_ends_the_turn(guarded: Stage) -> None:
    guarded.judge.acts["moderate"] = raises(ProviderError("away."))
    with pytest.raises(ProviderError, match="judge could not moderate"):
        await guarded.ask()
    record = await guarded.record()
    assert (record.status, record.response) == ("provider_failed", "")


async def test_a_model_that_fails_half_way_is_a_failure_with_what_was_said(bare: Stage) -> None:
    bare.says(orbit.Chunk("One "), then=ProviderError("cut off.", kind="unavailable"))
    with pytest.raises(ProviderError) as raised:
        await bare.ask()
    assert raised.value.logged
    record = await bare.record()
    assert (record.status, record.reason, record.response, record.backend) == (
        "provider_unavailable",
        "model could not generate: cut off.",
        "One ",
        "model",
    )
    assert bare.pipeline.metrics.failures == {("model", "generate", "unavailable"): 1}
    assert bare.pipeline.metrics.turns == {"provider_unavailable": 1}


@pytest.mark.parametrize("events", [1, 2])
async def test_a_client_that_leaves_cancels_the_turn(bare: Stage, events: int) -> None:
    bare.says(orbit.Chunk("One "), orbit.Chunk("two "), orbit.Chunk("three"))
    answer = bare.pipeline.answer(turn())
    for _ in range(events):
        await anext(answer)
    await answer.aclose()
    record = await bare.record()
    assert (record.status, record.reason, record.response) == ("cancelled", "", "One two "[: 4 * events])
    assert bare.pipeline.admission.running == 0


async def test_a_client_that_leaves_after_the_ending_was_answered(bare: Stage) -> None:
    answer = bare.pipeline.answer(turn())
    while isinstance(await anext(answer), str):
        pass
    assert bare.pipeline.admission.running == 0
    await answer.aclose()
    assert (await bare.record()).status == "ok"


async def test_a_mistake_of_the_hosts_own_is_named_by_its_type(bare: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare.pipeline._routing, "candidates", lambda _: Stage.nothing["missing"])
    with pytest.raises(KeyError):
        await bare.ask()
    record = await bare.record()
    assert (record.status, record.reason) == ("internal_error", "KeyError")


async def test_a_turns_deadline_ends_it_and_is_in_the_server_log(bare: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> AsyncIterator[orbit.Chunk]:
        await asyncio.sleep(60)
        yield orbit.Chunk("late")

    bare.model.acts["generate"] = hang
    with pytest.raises(TurnTimeout) as raised:
        await bare.ask(turn(deadline=time.monotonic() + 0.03))
    assert raised.value.logged
    assert "not answered: no end within 600 s (timeouts.turn)" in caplog.text
    assert (await bare.record()).status == "turn_timeout"


async def test_what_a_client_can_mend_is_not_in_the_server_log(judged: Stage, caplog: pytest.LogCaptureFixture) -> None:
    judged.judge.acts["moderate"] = raises(PromptTooLong("too long."))
    with pytest.raises(PromptTooLong) as raised:
        await judged.ask()
    assert not raised.value.logged
    assert caplog.text == ""
    assert (await judged.record()).status == "prompt_too_long"


async def test_the_prompt_leaves_room_for_the_answer(bare: Stage) -> None:
    history = (orbit.Message("user", "one"), orbit.Message("assistant", "two"))
    bare.model.acts["count_tokens"] = lambda messages: returns(orbit.TokenCount(10 * len(messages), 100))()
    _, ending = await bare.ask(
        turn(system_prompt="", history=history * 4, options=orbit.GenerateOptions(max_tokens=30))
    )
    assert (ending.dropped_turns, ending.dropped_documents) == (2, 0)
    bare.model.acts["count_tokens"] = lambda messages: returns(orbit.TokenCount(10 * len(messages), 20_000))()
    assert (await bare.ask(turn(history=history)))[1].dropped_turns == 0


async def test_a_wrong_count_of_tokens_is_the_plugins_mistake(bare: Stage) -> None:
    bare.model.acts["count_tokens"] = returns(12)
    with pytest.raises(ProviderError, match="model could not count tokens: the hook returned int instead of a Token"):
        await bare.ask()


async def test_a_full_server_refuses(tmp_path: Path) -> None:
    async for stage in staged(tmp_path, [], limits={"max_concurrent": 1, "max_queued": 0}):
        await stage.pipeline.admission.enter("another")
        with pytest.raises(orbit.OrbitError) as raised:
            await anext(stage.pipeline.answer(turn()))
        assert raised.value.code == "overloaded"
        assert (await stage.record()).status == "overloaded"
        stage.pipeline.admission.leave("another")


async def test_a_collection_that_nobody_searches_refuses(bare: Stage) -> None:
    with pytest.raises(ProviderError, match="'books' cannot be searched"):
        await bare.ask(turn(collection="books"))
    assert bare.model.made("generate") == []
