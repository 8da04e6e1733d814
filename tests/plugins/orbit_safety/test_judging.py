"""How a judge is asked, and what happens when it fails."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec
import pytest
from orbit_safety import SafetyProvider, SafetySettings
from safety_kit import BROKEN, BUSY, Judge, Start, ask

from orbit import CallContext, ConfigError, PromptTooLong, ProviderError


async def test_the_settings_reach_the_judge(judge: Judge, start: Start) -> None:
    provider = await start(
        provider="judge", model="gemma3:12b", temperature=0.2, top_p=0.9, top_k=5, num_predict=12, constrain=False
    )
    await ask(provider, "a question")

    options = judge.options[0]
    assert (options.temperature, options.top_p, options.top_k, options.max_tokens) == (0.2, 0.9, 5, 12)
    assert (options.model, options.json_schema) == ("gemma3:12b", None)
    assert judge.providers[-1] == "judge"


async def test_a_provider_that_can_is_held_to_the_two_verdicts(judge: Judge, start: Start) -> None:
    provider = await start(mode="strict")
    judge.answers = ['"SAFE: true"']  # as JSON, which is what a constrained model writes

    assert (await ask(provider, "a question")).allowed
    assert judge.options[0].json_schema == {"type": "string", "enum": ["SAFE: true", "SAFE: false"]}


async def test_the_operators_prompt_replaces_the_built_in_one(judge: Judge, start: Start, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Only cooking. Write SAFE: true or SAFE: false.\n")
    provider = await start(safety_prompt_path=str(tmp_path / "prompt.txt"))
    await ask(provider, "a question")

    assert judge.asked[0][0].content == "Only cooking. Write SAFE: true or SAFE: false."


async def test_refusals_carry_the_operators_message(judge: Judge, start: Start) -> None:
    provider = await start(refusal_message="Not here.")
    judge.answers = ["SAFE: false"]

    assert (await ask(provider, "a question")).message == "Not here."


async def test_a_repeated_question_is_judged_once(judge: Judge, start: Start) -> None:
    provider = await start(cache_size=2)
    judge.answers = ["SAFE: true", "SAFE: false"]

    assert [(await ask(provider, text)).allowed for text in ("one", "two", "one", "two")] == [True, False, True, False]
    assert len(judge.asked) == 2
    await ask(provider, "three")
    await ask(provider, "one")  # forgotten: there is room for two
    assert len(judge.asked) == 4
    await ask(provider, "one", "output")  # allowed without asking: answers are not judged
    assert len(judge.asked) == 4


async def test_judgements_are_forgotten_in_time(judge: Judge, start: Start) -> None:
    provider = await start(cache_seconds=0.05)

    await ask(provider, "one")
    await asyncio.sleep(0.06)
    await ask(provider, "one")

    assert len(judge.asked) == 2


async def test_what_is_no_verdict_refuses_and_is_not_remembered(judge: Judge, start: Start) -> None:
    provider = await start()
    judge.answers = ["Well...", "SAFE: true"]

    first = await ask(provider, "one")
    assert not first.allowed
    assert "no verdict" in first.reason
    assert (await ask(provider, "one")).allowed


async def test_an_empty_text_needs_no_judge(judge: Judge, start: Start) -> None:
    provider = await start()

    assert (await ask(provider, "  \n")).allowed
    assert not judge.asked


async def test_a_long_text_is_judged_in_parts_of_which_each_must_pass(judge: Judge, start: Start) -> None:
    provider = await start(window_chars=500)
    judge.verdict = lambda text: "SAFE: false" if "needle" in text else "SAFE: true"

    assert (await ask(provider, " ".join(f"hay{number}" for number in range(2000)))).allowed
    assert len(judge.asked) > 10
    assert 1 < judge.most_running <= 4
    for position in (0, 480, 1999):
        words = ["hay"] * 2000
        words[position] = "needle"
        assert not (await ask(provider, " ".join(words))).allowed


async def test_a_growing_answer_is_not_judged_all_over_again(judge: Judge, start: Start) -> None:
    provider = await start(window_chars=500, check_output=True)
    text = "".join(f"Sentence number {number}. " for number in range(100))

    await ask(provider, text, "output")
    before = len(judge.asked)
    await ask(provider, text + "One more.", "output")

    assert len(judge.asked) - before <= 2


async def test_answers_are_judged_only_when_told_so(judge: Judge, start: Start) -> None:
    judge.verdict = lambda text: "SAFE: false"
    without = await start()
    assert not without.moderates("output")
    assert (await ask(without, "an answer", "output")).allowed

    with_output = await start(check_output=True)
    assert with_output.moderates("output")
    assert not (await ask(with_output, "an answer", "output")).allowed
    assert "answer" in judge.asked[0][-1].content.split("\n")[0]


async def test_a_passing_failure_is_tried_again(judge: Judge, start: Start) -> None:
    provider = await start(max_retries=2)
    judge.answers = [BUSY, BUSY, "SAFE: true"]

    assert (await ask(provider, "a question")).allowed
    assert (await provider.health()).status == "ok"


@pytest.mark.parametrize(
    ("failure", "asked", "kind", "passes"),
    [
        (BUSY, 3, "overloaded", True),
        (BROKEN, 1, "failed", False),
        (ProviderError("no schemas", kind="rejected", client="The model follows no schema."), 1, "failed", False),
        (PromptTooLong("at most 5 tokens"), 1, "failed", False),
    ],
)
async def test_a_lasting_failure_refuses(  # what the test varies
    judge: Judge, start: Start, failure: Exception, asked: int, kind: str, passes: bool
) -> None:
    provider = await start(max_retries=2, allow_on_timeout=True)
    judge.answers = [failure] * 9

    with pytest.raises(ProviderError) as raised:
        await ask(provider, "a question")

    assert (raised.value.kind, raised.value.passes, raised.value.client) == (kind, passes, "")
    assert len(judge.asked) == asked
    assert (await provider.health()).status == "degraded"


@pytest.mark.parametrize("failure", [BROKEN, PromptTooLong("at most 5 tokens")], ids=repr)
async def test_a_failure_lets_pass_if_the_operator_says_so(judge: Judge, start: Start, failure: Exception) -> None:
    provider = await start(max_retries=0, on_error="allow")
    judge.answers = [failure]

    verdict = await ask(provider, "a question")

    assert verdict.allowed
    assert "not judged" in verdict.reason


@pytest.mark.parametrize("slow", ["hang", "timeout error"])
async def test_a_timeout_refuses_unless_allowed(judge: Judge, start: Start, slow: str) -> None:
    refusing = await start(request_timeout=0.05, max_retries=0)
    allowing = await start(request_timeout=0.05, max_retries=0, allow_on_timeout=True)
    if slow == "hang":
        judge.delay = 30.0
    else:
        judge.answers = [ProviderError("too slow", kind="timeout", retryable=True)] * 2

    with pytest.raises(ProviderError):
        await ask(refusing, "a question")
    assert (await ask(allowing, "another question")).allowed
    assert judge.running == 0


async def test_the_deadline_of_the_request_counts(judge: Judge, start: Start) -> None:
    provider = await start()
    judge.delay = 30.0

    with pytest.raises(ProviderError) as raised:
        await ask(provider, "a question", deadline=time.monotonic() + 0.05)

    assert raised.value.kind in ("timeout", "unavailable")


async def test_cancelling_stops_the_judge(judge: Judge, start: Start) -> None:
    provider = await start(window_chars=500)
    judge.delay = 30.0
    task = asyncio.ensure_future(ask(provider, "word " * 1000))
    await asyncio.sleep(0.01)
    assert judge.running

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await asyncio.sleep(0)

    assert judge.running == 0


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("there is no judge; get it with: ollama pull judge", kind="not_found"),
        ProviderError("'judge' cannot generate; providers that can: ollama."),
    ],
)
async def test_a_judge_that_cannot_work_refuses_the_start(judge: Judge, start: Start, error: ProviderError) -> None:
    judge.answers = [error]

    with pytest.raises(ConfigError, match=r"judge of safety cannot work: .*judge"):
        await start()


@pytest.mark.parametrize("answer", [BUSY, "SAFE: false", "hello"])
async def test_a_judge_that_is_away_or_odd_only_warns(
    judge: Judge, start: Start, caplog: pytest.LogCaptureFixture, answer: str | Exception
) -> None:
    judge.answers = [answer]

    await start()

    assert "judge" in caplog.text


def test_sections_of_earlier_versions_load() -> None:
    section = {
        "mode": "fuzzy",
        "model": "gemma3:12b",
        "max_retries": 3,
        "retry_delay": 1.0,
        "request_timeout": 15,
        "allow_on_timeout": False,
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 1,
        "num_predict": 20,
        "stream": False,
        "repeat_penalty": 1.1,
    }
    assert msgspec.convert(section, SafetySettings).model == "gemma3:12b"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"block_patterns": ["("]}, "not a valid regular expression"),
        ({"block_patterns": ["a*"]}, "matches every text"),
        ({"block_terms": ["\u200b"]}, "is empty"),
        ({"block_file": "/no/such/file"}, "cannot be read: No such file"),
        ({"safety_prompt_path": "/no/such/file"}, "cannot be read: No such file"),
        ({"safety_prompt_path": __file__.replace("test_judging", "conftest")}, "must tell the judge"),
    ],
)
def test_settings_without_sense_are_told(settings: dict[str, object], sentence: str) -> None:
    provider = SafetyProvider("safety", msgspec.convert(settings, SafetySettings), Judge())  # type: ignore[arg-type]  # what it asks of the host

    assert sentence in " ".join(provider.validate())


async def test_the_context_is_handed_on(judge: Judge, start: Start) -> None:
    provider = await start()
    assert (await provider.moderate("input", [], CallContext("test"))).allowed


async def test_a_judge_that_gives_no_verdict_is_degraded_until_it_does(
    judge: Judge, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    judge.answers = ["", "", "", "SAFE: true"]  # all of its tokens went into thoughts, at the start too
    provider = await start()
    for text in ("one", "two"):
        assert (await provider.health()).status == "degraded"
        assert not (await ask(provider, text)).allowed
    assert "gives no verdict" in (await provider.health()).detail
    assert provider.metrics() == {"unjudged_total": 2}
    assert sum("gives no verdict" in message for message in caplog.messages) == 1

    assert (await ask(provider, "three")).allowed
    assert (await provider.health()).status == "ok"


async def test_a_judge_that_passes_everything_is_found_at_the_start(
    judge: Judge, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    judge.verdict = lambda text: "SAFE: true"
    provider = await start()
    assert sum("must refuse" in message for message in caplog.messages) == 1
    assert (await ask(provider, "a question")).allowed
    assert (await provider.health()).status == "degraded"
    assert "may pass everything" in (await provider.health()).detail
    judge.verdict = lambda text: "SAFE: false"
    assert not (await ask(provider, "another question")).allowed
    assert (await provider.health()).status == "ok"


async def test_a_judge_that_tells_texts_apart_starts_without_a_warning(
    judge: Judge, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    provider = await start()
    assert caplog.messages == []
    assert not judge.running
    assert (await provider.health()).status == "ok"
