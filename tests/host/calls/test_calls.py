"""A hook's call has a deadline, and its errors the name of the instance."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from orbit.errors import ConfigError, PromptTooLong, ProviderError
from orbit.host.calls.calls import attributed, call, fan_out, is_list_of, lacks_collection, leaf_of, settled, wrong_type


def gives(value: Any, seconds: float = 0.0) -> Callable[[], Awaitable[Any]]:
    async def invoke() -> Any:
        await asyncio.sleep(seconds)
        if isinstance(value, BaseException):
            raise value
        return value

    return invoke


async def test_a_call_returns_its_value() -> None:
    assert await call("p", "embed", gives(3), 60) == 3


async def test_a_late_call_is_the_providers_failure() -> None:
    with pytest.raises(ProviderError, match=r"p could not embed: no answer within 0\.01 s") as raised:
        await call("p", "embed", gives(3, 60), 0.01)
    error = raised.value
    assert (error.kind, error.retryable, error.retried) == ("timeout", True, True)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ProviderError("away.", provider="inner", operation="retrieve"), "inner could not retrieve: away."),
        (ProviderError("away."), "p could not embed: away."),
        (ConfigError("wrong."), "p could not embed: wrong."),
        (KeyError("secret"), "p could not embed: it failed unexpectedly (KeyError); the server's log has the details."),
        (ExceptionGroup("", [KeyError(), ProviderError("away.")]), "p could not embed: away."),
        (SystemExit(2), "p could not embed: it failed unexpectedly (SystemExit); the server's log has the details."),
    ],
)
async def test_errors_are_attributed(error: BaseException, sentence: str) -> None:
    with pytest.raises(ProviderError) as raised:
        await call("p", "embed", gives(error), 60)
    assert str(raised.value) == sentence


async def test_a_prompt_that_is_too_long_stays_so() -> None:
    with pytest.raises(PromptTooLong):
        await call("p", "embed", gives(PromptTooLong("long.")), 60)


async def test_all_are_called_at_once_and_outcomes_keep_the_order() -> None:
    async with asyncio.timeout(20):
        outcomes = await fan_out("embed", [("a", gives(1, 0.05)), ("b", gives(KeyError())), ("c", gives(60, 60))], 0.5)
    assert [outcome.provider for outcome in outcomes] == ["a", "b", "c"]
    assert [outcome.value for outcome in outcomes] == [1, None, None]
    assert [getattr(outcome.error, "code", None) for outcome in outcomes] == [
        None,
        "provider_failed",
        "provider_timeout",
    ]


async def test_work_settles_to_a_value_or_an_error() -> None:
    error = KeyError()
    assert await settled(gives(1)) == (1, None)
    assert await settled(gives(error)) == (None, error)


def test_the_innermost_error_of_ours_counts() -> None:
    ours = ProviderError("x")
    assert leaf_of(ExceptionGroup("", [KeyError(), ExceptionGroup("", [ours])])) is ours
    assert leaf_of(ours) is ours


def test_wrong_types_are_named() -> None:
    assert "returned None instead of a list" in str(wrong_type("p", "retrieve", "a list", None))
    assert "returned a list of int, str instead" in str(wrong_type("p", "retrieve", "a list", ["a", 1]))
    assert "returned tuple instead" in str(wrong_type("p", "retrieve", "a list", ()))
    assert is_list_of([1, 2], int)
    assert is_list_of((), int)
    assert not is_list_of([1, "a"], int)
    assert not is_list_of("a", str)


def test_an_error_keeps_its_cause() -> None:
    error = KeyError()
    assert attributed(error, "p", "embed").__cause__ is error


@pytest.mark.parametrize(
    ("error", "lacks"),
    [
        (ProviderError("no collection.", kind="not_found"), True),
        (ProviderError("no collection.", kind="not_found", operation="retrieve"), True),
        (ProviderError("no model.", kind="not_found", operation="embed"), False),
        (ProviderError("away.", kind="unavailable"), False),
        (None, False),
    ],
    ids=repr,
)
def test_what_a_store_lacks_is_its_own(error: Any, lacks: bool) -> None:
    assert lacks_collection(error, "retrieve") is lacks
