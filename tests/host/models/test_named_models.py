"""Models that judges and rerankers ask by name: their fallbacks, their options, and the checks of their names."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.host.models import named_models, upstreams
from orbit.testing import Script, host
from orbit.testing.hosting import make_host

CONTEXT = orbit.CallContext("r")
ASKED = [orbit.Message("user", "safe?")]
CONFIG: dict[str, Any] = {
    "script": {"words": 1},
    "broken": {"use": "script", "fail_after": 0, "kind": "unavailable"},
    "cut": {"use": "script", "fail_after": 1, "kind": "unavailable"},
    "strict": {"use": "script", "fail_after": 0, "kind": "rejected"},
    "general": {"inference_provider": "script"},
    "models": {
        "default": "fast",
        "fast": {"provider": "script"},
        "judge": {
            "provider": "broken",
            "fallback": "small",
            "internal": True,
            "options": {"temperature": 0.5, "seed": 3},
        },
        "small": {"provider": "script", "model": "tiny", "internal": True, "options": {"max_tokens": 5}},
        "breaks": {"provider": "cut", "fallback": "small"},
        "refuses": {"provider": "strict", "fallback": "small"},
        "dead": {"provider": "broken", "fallback": "refuses"},
    },
}


def script(running: Any, name: str = "script") -> Script:
    provider = running.registry[name]
    assert isinstance(provider, Script)
    return provider


async def text_of(running: Any, name: str, options: orbit.GenerateOptions | None = None) -> str:
    given = options or orbit.GenerateOptions()
    return "".join([chunk.text async for chunk in running.generate(ASKED, given, CONTEXT, provider=name)])


async def test_a_fallback_takes_over_with_its_own_options(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with host(CONFIG, tmp_path) as running:
        assert await text_of(running, "judge", orbit.GenerateOptions(temperature=0, max_tokens=1)) == "word0 "
        ((_, options, _),) = script(running).seen
        assert (options.temperature, options.seed, options.max_tokens, options.model) == (0, None, 1, "tiny")
        ((_, options, _),) = script(running, "broken").seen
        assert (options.temperature, options.seed, options.model) == (0, 3, "")
        assert "judge: script takes over" in caplog.text
        await text_of(running, "judge")
        assert len(script(running, "broken").seen) == 1  # it rests
        ((_, _, _), (_, options, _)) = script(running).seen
        assert options.max_tokens == 5


async def test_what_ends_an_answer(tmp_path: Path) -> None:
    async with host(CONFIG, tmp_path) as running:
        for name in ("breaks", "refuses"):
            with pytest.raises(orbit.ProviderError):
                await text_of(running, name)
        assert script(running).seen == []
        with pytest.raises(orbit.ProviderError, match="broken"):
            await text_of(running, "dead")


async def test_a_provider_that_hangs_is_left_alone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first caller leaves at its own deadline; the next one does not wait for the same provider again."""
    monkeypatch.setattr(named_models, "_PATIENCE", 0.0)
    models = {
        "default": "judge",
        "judge": {"provider": "hanging", "fallback": "small"},
        "small": {"provider": "script"},
    }
    config = {**CONFIG, "hanging": {"use": "script", "first_delay": 3600}, "models": models}
    async with host(config, tmp_path) as running:
        asking = asyncio.create_task(text_of(running, "judge"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert script(running, "hanging").running
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await text_of(running, "judge") == "word0 "
        assert len(script(running, "hanging").seen) == 1


HANGING: dict[str, Any] = {
    **CONFIG,
    "hanging": {"use": "script", "first_delay": 3600},
    "models": {
        "default": "judge",
        "judge": {"provider": "hanging", "fallback": "small"},
        "small": {"provider": "script"},
        "alone": {"provider": "hanging"},
    },
}


async def test_a_provider_that_hangs_leaves_time_for_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role has a deadline: the first provider may use half of it, and is left alone afterwards."""
    monkeypatch.setattr(upstreams, "_FIRST_REST", 3600.0)
    async with host(HANGING, tmp_path) as running:
        chunks = running.generate(ASKED, orbit.GenerateOptions(), CONTEXT.within(0.2), provider="judge")
        assert "".join([chunk.text async for chunk in chunks]) == "word0 "
        assert await text_of(running, "judge") == "word0 "
        assert len(script(running, "hanging").seen) == 1
        assert running.upstreams.of(running.catalogue.routes["judge"].targets[0]).slow


async def test_a_caller_whose_deadline_passed_found_the_provider_too_slow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short the deadline is, and also while there is no other provider to go on to."""
    monkeypatch.setattr(upstreams, "_FIRST_REST", 3600.0)
    async with host(HANGING, tmp_path) as running:
        upstream = running.upstreams.of(running.catalogue.routes["alone"].targets[0])
        for seconds, rests in ((3600.0, False), (0.05, True)):
            options, context = orbit.GenerateOptions(), CONTEXT.within(seconds)
            with pytest.raises(TimeoutError):
                async with (
                    asyncio.timeout(min(seconds, 0.05)),
                    aclosing(running.generate(ASKED, options, context, provider="alone")) as chunks,
                ):
                    await anext(chunks)
            assert (upstream.cooldown > 0) == rests
        assert await text_of(running, "judge") == "word0 "
        assert len(script(running, "hanging").seen) == 2


async def test_an_instance_goes_by_its_own_name(tmp_path: Path) -> None:
    async with host(CONFIG, tmp_path) as running:
        with pytest.raises(orbit.ProviderError):
            await text_of(running, "broken")
        assert await text_of(running, "") == "word0 "
        assert [model.name for model in await running.models(CONTEXT, "small")] == ["script"]
        size = await running.count_tokens(ASKED, orbit.GenerateOptions(), CONTEXT, "small")
        assert size is not None
        assert size.prompt == 1


def test_internal_models_are_not_for_clients(tmp_path: Path) -> None:
    made = make_host(CONFIG, tmp_path)
    assert made.problems == ()
    assert made.catalogue.names() == ("fast", "breaks", "refuses", "dead")
    assert made.catalogue.names(["judge", "fast"]) == ("fast",)


@pytest.mark.parametrize(
    ("sections", "path", "said"),
    [
        ({"safety": {"provider": "judge"}}, "", ""),
        ({"reranker": {"provider": "small"}}, "", ""),
        ({"safety": {"provider": "juge"}}, "safety.provider", "no enabled section is named 'juge'"),
        ({"safety": {"provider": "judge", "model": "x"}}, "safety.model", "leave it out: models.judge.model names"),
        ({"models": {"a": {"provider": "script", "internal": True}}}, "models.default", "is missing"),
        ({"models": {"default": "a", "a": {"provider": "script", "internal": True}}}, "models.default", "is internal"),
    ],
)
def test_names_are_checked(tmp_path: Path, sections: dict[str, Any], path: str, said: str) -> None:
    problems = make_host({**CONFIG, **sections}, tmp_path).problems
    if path:
        assert any(problem.path == path and said in problem.message for problem in problems), problems
    else:
        assert problems == ()
