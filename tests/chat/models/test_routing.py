"""Who is asked: the model's providers, then its fallbacks; what each is given, and what is noted of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from actor_kit import Actor, document, raises, turn

import orbit
from orbit import Chunk, GenerateOptions, Message, Model, PromptTooLong, ProviderError
from orbit.chat.journal import Journal
from orbit.chat.models.needs import Unsupported
from orbit.chat.models.routing import Asked, Routing
from orbit.chat.ticker import Ticker
from orbit.chat.turn import TurnTimeout
from orbit.host.models.catalogue import UnknownModel
from orbit.testing import host

MODELS: dict[str, Any] = {
    "default": "fast",
    "fast": {"provider": "one", "fallback": "shared", "options": {"temperature": 0.5, "seed": 7}},
    "shared": {"provider": ["one", "two"], "model": "big", "fallback": "last"},
    "last": {"provider": "three"},
    "alone": {"provider": "three"},
}


class Speaker(Actor):
    """Generates; counts tokens if it is configured to; says what its models support."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        counts: bool = False
        supports: tuple[orbit.Capability, ...] = ()
        default_system_prompt: str | None = None

    settings: Settings

    def offers(self, hook: str) -> bool:
        return hook in ("generate", "models") or (hook == "count_tokens" and self.settings.counts)

    @orbit.hookimpl
    async def models(self) -> Any:
        if "models" in self.acts:
            return await self.acts["models"]()
        return [Model(name, 4096, frozenset(self.settings.supports)) for name in ("speaker", "big")]

    def fails(self, error: BaseException) -> None:
        self.says(then=error)

    def says(self, *chunks: Chunk, then: BaseException | None = None) -> None:
        async def act() -> AsyncIterator[Chunk]:
            for chunk in chunks:
                yield chunk
            if then is not None:
                raise then

        self.acts["generate"] = act

    @property
    def options(self) -> GenerateOptions:
        """The options of its last call."""
        found: GenerateOptions = self.made("generate")[-1][1]
        return found

    @property
    def messages(self) -> Sequence[Message]:
        """The messages of its last call."""
        found: Sequence[Message] = self.made("generate")[-1][0]
        return found


class Exchange:
    """Routing among three providers, and what it reported."""

    def __init__(self, running: Any) -> None:
        self.host = running
        self.one: Speaker = running.registry["one"]
        self.two: Speaker = running.registry["two"]
        self.three: Speaker = running.registry["three"]
        self.failures: list[tuple[str, str]] = []
        self.routing = Routing(running, Ticker(), lambda what, error: self.failures.append((what, str(error))))
        self.journal = Journal(turn())

    async def ask(self, model: str = "", documents: Any = (), **fields: Any) -> Asked:
        """Ask for an answer, and leave it."""
        asked = turn(model=model, **fields)
        self.journal = Journal(asked)
        groups = await self.routing.candidates(asked)
        answer = await self.routing.begin(asked, groups, documents, self.journal)
        with answer:
            pass
        await answer.stream.aclose()
        return answer

    @property
    def calls(self) -> tuple[int, int, int]:
        """How often each provider was asked."""
        one, two, three = (len(speaker.made("generate")) for speaker in (self.one, self.two, self.three))
        return one, two, three

    def state(self, model: str, number: int = 0) -> Any:
        """What is known of a model's provider."""
        return self.routing._groups[model][number].upstream


async def exchanging(path: Path, **config: Any) -> AsyncIterator[Exchange]:
    sections: dict[str, Any] = {name: {"use": "speaker"} for name in ("one", "two", "three")}
    async with host({**sections, "models": MODELS, **config}, path, {"speaker": Speaker}) as running:
        yield Exchange(running)


@pytest.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[Exchange]:
    async for made in exchanging(tmp_path):
        yield made


def down(**fields: Any) -> ProviderError:
    return ProviderError("it is down.", kind="unavailable", **fields)


async def test_the_model_of_the_request_answers(exchange: Exchange) -> None:
    answer = await exchange.ask("alone")
    assert (answer.provider, answer.model, answer.first) == (
        "three",
        "",
        Chunk("An answer.", finish_reason="stop", usage=orbit.Usage(11, 2)),
    )
    assert (exchange.journal.provider, exchange.journal.model, exchange.journal.tries) == ("three", "", 1)
    assert exchange.calls == (0, 0, 1)
    with pytest.raises(UnknownModel):
        await exchange.ask("missing")


async def test_the_default_answers_where_none_is_named_with_its_own_options(exchange: Exchange) -> None:
    await exchange.ask(options=GenerateOptions(temperature=0.9))
    assert exchange.calls == (1, 0, 0)
    assert exchange.one.options == GenerateOptions(temperature=0.9, seed=7)


async def test_a_providers_model_is_named_to_it_and_to_people(exchange: Exchange) -> None:
    answer = await exchange.ask("shared")
    assert (answer.model, exchange.journal.model, exchange.one.options.model) == ("big", "big", "big")


async def test_equal_providers_take_turns_and_the_less_busy_one_is_first(exchange: Exchange) -> None:
    for _ in range(4):
        await exchange.ask("shared")
    assert exchange.calls == (2, 2, 0)
    busy = exchange.state("shared", 0)
    busy.begin()
    await exchange.ask("shared")
    await exchange.ask("shared")
    assert exchange.calls == (2, 4, 0)
    busy.end()


async def test_failures_go_on_to_the_other_providers_and_then_to_the_fallbacks(exchange: Exchange) -> None:
    exchange.one.fails(down())
    exchange.two.fails(ProviderError("broken."))
    answer = await exchange.ask()
    assert (answer.provider, exchange.journal.provider, exchange.journal.tries) == ("three", "three", 4)
    assert exchange.calls == (2, 1, 1)  # one of them with two models
    assert exchange.failures == [
        ("one takes over", "one could not generate: it is down."),
        ("two takes over", "one could not generate: it is down."),
        ("three takes over", "two could not generate: broken."),
    ]


async def test_where_all_fail_the_first_failure_counts(exchange: Exchange) -> None:
    exchange.one.fails(down())
    exchange.two.fails(ProviderError("broken."))
    exchange.three.fails(ProviderError("burnt."))
    with pytest.raises(ProviderError, match=r"one could not generate: it is down\.") as raised:
        await exchange.ask()
    assert raised.value.retried
    assert (exchange.journal.tries, len(exchange.failures)) == (4, 3)
    with pytest.raises(ProviderError, match="burnt") as raised:
        await exchange.ask("last")
    assert not raised.value.retried


@pytest.mark.parametrize("model", ["", "alone"])
async def test_what_the_client_can_mend_goes_no_further(exchange: Exchange, model: str) -> None:
    for speaker in (exchange.one, exchange.three):
        speaker.fails(ProviderError("wrong.", kind="rejected"))
    with pytest.raises(ProviderError, match="wrong") as raised:
        await exchange.ask(model)
    assert not raised.value.retried
    assert sum(exchange.calls) == 1
    assert exchange.failures == []
    assert exchange.state("fast").is_ready(time.monotonic())  # nothing is wrong with the provider


async def test_a_prompt_that_is_too_long_goes_on_to_a_larger_model(exchange: Exchange) -> None:
    exchange.one.fails(PromptTooLong("too long.", client="Too long."))
    assert (await exchange.ask()).provider == "two"
    exchange.two.fails(PromptTooLong("too long."))
    exchange.three.fails(PromptTooLong("too long."))
    with pytest.raises(PromptTooLong):
        await exchange.ask()


async def test_without_a_budget_for_retries_the_first_failure_counts(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange.routing._budget, "take", lambda: False)
    exchange.one.fails(down())
    with pytest.raises(ProviderError) as raised:
        await exchange.ask()
    assert (exchange.calls, raised.value.retried, exchange.failures) == ((1, 0, 0), False, [])


async def test_a_provider_that_failed_rests_and_then_proves_itself(exchange: Exchange) -> None:
    exchange.one.fails(down())
    await exchange.ask()
    assert not exchange.state("fast").is_ready(time.monotonic())
    await exchange.ask()
    assert exchange.calls == (2, 2, 0)  # the second request spared it
    del exchange.one.acts["generate"]
    exchange.state("fast")._until = 0.0
    assert (await exchange.ask()).provider == "one"
    assert exchange.state("fast").is_ready(time.monotonic())


async def test_requests_that_run_are_counted_to_their_end(exchange: Exchange) -> None:
    asked = turn(model="alone")
    answer = await exchange.routing.begin(asked, await exchange.routing.candidates(asked), (), exchange.journal)
    with answer:
        assert exchange.state("alone").running == 1
    assert exchange.state("alone").running == 0
    await answer.stream.aclose()
    exchange.three.fails(down())
    with pytest.raises(ProviderError):
        await exchange.ask("alone")
    assert exchange.state("alone").running == 0


@pytest.mark.parametrize(
    ("error", "ready"),
    [
        (ProviderError("cut off.", operation="generate"), False),
        (ProviderError("wrong.", kind="rejected", operation="generate"), True),
        (ProviderError("away.", operation="moderate"), True),
        (ValueError("a mistake of ours"), True),
    ],
)
async def test_a_failure_in_the_middle_of_an_answer_is_noted(
    exchange: Exchange, error: Exception, *, ready: bool
) -> None:
    asked = turn(model="alone")
    answer = await exchange.routing.begin(asked, await exchange.routing.candidates(asked), (), exchange.journal)
    with pytest.raises(type(error)), answer:
        raise error
    await answer.stream.aclose()
    assert exchange.state("alone").is_ready(time.monotonic()) == ready
    assert exchange.state("alone").running == 0


async def test_a_provider_that_is_silent_to_the_deadline_was_slow(exchange: Exchange) -> None:
    closed: list[bool] = []

    async def silent() -> AsyncIterator[Chunk]:
        try:
            await asyncio.Event().wait()
            yield Chunk("never")
        finally:
            closed.append(True)

    exchange.three.acts["generate"] = silent
    with pytest.raises(TurnTimeout):
        await exchange.ask("alone", deadline=time.monotonic() + 0.05)
    state = exchange.state("alone")
    assert (closed, state.slow, state.running, state.is_ready(time.monotonic())) == ([True], True, 0, False)


async def test_chunks_that_say_nothing_do_not_begin_an_answer(exchange: Exchange) -> None:
    exchange.three.says(Chunk(), Chunk(""), Chunk("Now."))
    assert (await exchange.ask("alone")).first == Chunk("Now.")
    for sign in (
        Chunk(reasoning="hm"),
        Chunk(signature="s"),
        Chunk(tool_calls=(orbit.ToolCall("1", "clock", "{}"),)),
        Chunk(finish_reason="stop"),
        Chunk(usage=orbit.Usage(1, 0)),
    ):
        exchange.three.says(Chunk(), sign)
        assert (await exchange.ask("alone")).first == sign
    exchange.three.says(Chunk())
    assert (await exchange.ask("alone")).first is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "You are a helpful assistant."),
        ({"system_prompt": "Be kind."}, "Be kind."),
        ({"system_prompt": "Be kind.", "client_system": "Be short."}, "Be kind.\n\nBe short."),
        ({"system_prompt": "", "client_system": "Be short."}, "Be short."),
    ],
)
@pytest.mark.parametrize("counts", [True, False])
async def test_who_instructs_the_model(tmp_path: Path, fields: dict[str, str], said: str, *, counts: bool) -> None:
    async for exchange in exchanging(tmp_path, three={"use": "speaker", "counts": counts}):
        await exchange.ask("alone", **fields)
        assert exchange.three.messages[0].content.startswith(said)
        if fields:
            assert exchange.three.messages[0].content == said


async def test_a_provider_may_have_instructions_of_its_own(tmp_path: Path) -> None:
    async for exchange in exchanging(tmp_path, three={"use": "speaker", "default_system_prompt": "Be brief."}):
        await exchange.ask("alone")
        assert exchange.three.messages == (Message("system", "Be brief."), Message("user", "When?"))


HISTORY = (Message("user", "Hello."), Message("assistant", "Hi."))
LATER = (Message("assistant", "It is"),)
PARTS = (orbit.Text("When?"),)


@pytest.mark.parametrize("counts", [True, False])
async def test_the_whole_turn_reaches_the_model(tmp_path: Path, *, counts: bool) -> None:
    three = {"use": "speaker", "counts": counts, "supports": ["continue"]}
    async for exchange in exchanging(tmp_path, three=three, retrieval={"instruction": "From these:"}):
        fields: Any = {"system_prompt": "", "history": HISTORY, "parts": PARTS, "later": LATER}
        answer = await exchange.ask("alone", [document(1), document(2)], **fields)
        assert answer.prompt.documents == (document(1), document(2))
        assert answer.prompt.tokens == (11 if counts else 0)
        system, *history, question, last = exchange.three.messages
        assert (tuple(history), last) == (HISTORY, *LATER)
        assert "Cite them by number" in system.content
        assert "passage 2" in question.content
        assert question.content.endswith("From these: When?")
        assert question.parts[-1] == orbit.Text("When?")
        assert exchange.three.made("generate")[0][2].request_id == "r"


async def test_answers_from_passages_always_stream(exchange: Exchange) -> None:
    whole = GenerateOptions(stream=False)
    await exchange.ask("alone", [document(1)], options=whole)
    assert exchange.three.options.stream
    await exchange.ask("alone", options=whole)
    assert not exchange.three.options.stream


@pytest.mark.parametrize(("asked", "left"), [(None, 3), (7, 5)])
async def test_what_does_not_fit_is_left_out(tmp_path: Path, asked: int | None, left: int) -> None:
    """The window has 30 tokens, each message and passage one of ten: the room is 30 less what the answer needs."""

    async def count(messages: Sequence[Message]) -> orbit.TokenCount:
        return orbit.TokenCount(sum(message.content.count("passage number") for message in messages) * 3, 22)

    config = {"three": {"use": "speaker", "counts": True}, "limits": {"max_answer_tokens": 11}}
    async for exchange in exchanging(tmp_path, **config):
        exchange.three.acts["count_tokens"] = count
        documents = [document(number) for number in range(9)]
        answer = await exchange.ask("alone", documents, options=GenerateOptions(max_tokens=asked))
        assert (len(answer.prompt.documents), answer.prompt.dropped_documents) == (left, 9 - left)


async def test_fitting_a_prompt_ends_at_the_deadline(tmp_path: Path) -> None:
    async def forever(_: Sequence[Message]) -> orbit.TokenCount:
        await asyncio.Event().wait()
        raise AssertionError

    async for exchange in exchanging(tmp_path, three={"use": "speaker", "counts": True}):
        exchange.three.acts["count_tokens"] = forever
        with pytest.raises(TurnTimeout):
            await exchange.ask("alone", deadline=time.monotonic() + 0.05)
        assert exchange.calls == (0, 0, 0)


async def test_the_size_of_a_prompt_comes_from_the_first_that_can_count(tmp_path: Path) -> None:
    async for exchange in exchanging(tmp_path, two={"use": "speaker", "counts": True}):
        assert await exchange.routing.count(turn()) == orbit.TokenCount(11, 1000)
        assert await exchange.routing.count(turn(model="alone")) is None


WITH_TOOLS = GenerateOptions(tools=(orbit.Tool("clock"),))


async def test_only_those_that_support_what_a_turn_needs_are_asked(tmp_path: Path) -> None:
    able = {"use": "speaker", "supports": ["tools"]}
    async for exchange in exchanging(tmp_path, two=able, three=able):
        assert (await exchange.ask("shared", options=WITH_TOOLS)).provider == "two"
        exchange.two.fails(down())
        assert (await exchange.ask("shared", options=WITH_TOOLS)).provider == "three"
        assert exchange.calls == (0, 2, 1)


async def test_a_model_that_does_not_support_it_says_which_do(tmp_path: Path) -> None:
    async for exchange in exchanging(tmp_path, three={"use": "speaker", "supports": ["tools"]}):
        with pytest.raises(Unsupported) as raised:
            await exchange.ask(options=WITH_TOOLS)  # even though its last fallback would
        assert "'fast' does not support tools" in raised.value.client
        assert "last, alone" in raised.value.client
        assert exchange.calls == (0, 0, 0)


async def test_of_several_needs_the_missing_one_is_named(tmp_path: Path) -> None:
    async for exchange in exchanging(tmp_path, three={"use": "speaker", "supports": ["tools"]}):
        with pytest.raises(Unsupported) as raised:
            await exchange.ask("alone", options=WITH_TOOLS, parts=(orbit.Image(b"x", "image/png"),))
        assert "'alone' does not support images" in raised.value.client


async def test_a_provider_that_cannot_say_what_it_supports_is_not_asked(tmp_path: Path) -> None:
    able = {"use": "speaker", "supports": ["tools"]}
    async for exchange in exchanging(tmp_path, one=able, two=able, three=able):
        exchange.one.acts["models"] = raises(down())
        assert (await exchange.ask(options=WITH_TOOLS)).provider == "two"
        assert exchange.failures[0] == ("not asked", "one could not list its models: it is down.")


async def test_where_none_can_say_what_it_supports_that_is_the_failure(tmp_path: Path) -> None:
    async for exchange in exchanging(tmp_path):
        for speaker in (exchange.one, exchange.two, exchange.three):
            speaker.acts["models"] = raises(down())
        with pytest.raises(ProviderError, match="one could not list its models"):
            await exchange.ask(options=WITH_TOOLS)


async def test_a_model_that_cannot_choose_how_much_it_thinks_is_not_told_not_to(tmp_path: Path) -> None:
    off = GenerateOptions(reasoning_effort="none")
    async for exchange in exchanging(tmp_path, three={"use": "speaker", "supports": ["reasoning"]}):
        await exchange.ask("alone", options=off)
        assert exchange.three.options.reasoning_effort == "none"
        await exchange.ask("fast", options=off)
        assert exchange.one.options.reasoning_effort is None


async def test_a_host_without_models_cannot_answer(tmp_path: Path) -> None:
    async for exchange in exchanging(tmp_path):
        with pytest.raises(ProviderError, match="no provider of this model has started") as raised:
            await exchange.routing.begin(turn(), [[]], (), exchange.journal)
        assert (raised.value.kind, raised.value.operation) == ("unavailable", "generate")
