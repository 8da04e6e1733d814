"""The tools of several providers: who may use which, which are left out, and what becomes of failures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from actor_kit import raises, returns
from host_tools import Bench, Talker

from orbit import CallContext, Tool, ToolCall, ToolResult
from orbit.chat.tools import toolbox
from orbit.chat.tools.toolbox import Owned, Toolbox
from orbit.config.model import Timeouts, ToolsSettings
from orbit.errors import OrbitError, ProviderError
from orbit.testing import host

WHO = CallContext("r", key_id="id", client_name="Ann")
CALL = ToolCall("1", "clock", "{}")


class Box:
    """Two providers of tools, what was reported, and toolboxes with any settings."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry
        self.first: Bench = registry["first"]
        self.second: Bench = registry["second"]
        self.first.offered, self.second.offered = [Tool("clock")], [Tool("files_read"), Tool("files_write")]
        self.failures: list[tuple[str, OrbitError]] = []

    def made(self, timeouts: Timeouts | None = None, allow: dict[str, tuple[str, ...]] | None = None) -> Toolbox:
        def failed(consequence: str, error: OrbitError) -> None:
            self.failures.append((consequence, error))

        return Toolbox(self.registry, ToolsSettings(allow=allow or {}), timeouts or Timeouts(), failed)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(consequence, str(error)) for consequence, error in self.failures]


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    config: dict[str, Any] = {"talker": {}, "first": {"use": "bench"}, "second": {"use": "bench"}}
    async with host(config, tmp_path, {"talker": Talker, "bench": Bench}) as running:
        yield Box(running.registry)


async def test_the_tools_of_all_providers(box: Box) -> None:
    made = box.made()
    assert made.available
    assert await made.tools(WHO) == {
        "clock": Owned(Tool("clock"), "first"),
        "files_read": Owned(Tool("files_read"), "second"),
        "files_write": Owned(Tool("files_write"), "second"),
    }


async def test_equal_lists_are_examined_once_and_changed_ones_again(box: Box) -> None:
    made = box.made(allow={"Ann": ("clock", "files_*"), "*": ("clock",)})
    first = await made.tools(WHO)
    box.first.offered = [Tool("clock")]  # another list of the same
    assert await made.tools(WHO) is first
    assert list(await made.tools(CallContext("r"))) == ["clock"]
    assert await made.tools(WHO) is first
    box.second.offered.append(Tool("files_list"))  # the same list with another tool
    assert list(await made.tools(WHO)) == ["clock", "files_read", "files_write", "files_list"]
    for _ in range(2):
        box.first.offered = ProviderError("it is down.")
        assert list(await made.tools(WHO)) == ["files_read", "files_write", "files_list"]
    assert len(box.failures) == 2  # a failure is never remembered
    box.first.offered = [Tool("clock", "Tells the time.")]
    assert (await made.tools(WHO))["clock"].tool.description == "Tells the time."


async def test_a_host_without_providers_of_tools_has_none(tmp_path: Path) -> None:
    async with host({"talker": {}}, tmp_path, {"talker": Talker}) as running:
        made = Toolbox(running.registry, ToolsSettings(), Timeouts(), lambda *_: None)
        assert not made.available
        assert await made.tools(WHO) == {}


@pytest.mark.parametrize(
    ("allow", "names"),
    [
        ({}, ["clock", "files_read", "files_write"]),
        ({"Ann": ("files_*",)}, ["files_read", "files_write"]),
        ({"id": ("clock",), "Ann": ("files_read",), "*": ("*",)}, ["clock"]),
        ({"*": ("*_write", "clock")}, ["clock", "files_write"]),
        ({"Ann": (), "*": ("*",)}, []),
        ({"Bob": ("*",)}, []),
    ],
)
async def test_who_may_use_which(box: Box, allow: dict[str, tuple[str, ...]], names: list[str]) -> None:
    assert sorted(await box.made(allow=allow).tools(WHO)) == names
    assert box.failures == []


async def test_a_caller_without_a_key_has_the_tools_of_all_others(box: Box) -> None:
    assert sorted(await box.made(allow={"": ("*",), "*": ("clock",)}).tools(CallContext("r"))) == ["clock"]


async def test_of_two_tools_with_one_name_the_first_is_used(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.second.offered = [Tool("clock", "another")]
    made = box.made()
    for _ in range(2):
        assert await made.tools(WHO) == {"clock": Owned(Tool("clock"), "first")}
    assert caplog.messages == ["first and second both have a tool clock; the one of first is used"]  # once


async def test_a_name_that_models_cannot_call(box: Box, caplog: pytest.LogCaptureFixture) -> None:
    box.first.offered = [Tool(name) for name in ("a b", "x" * 64, "y" * 65, "")]
    box.second.offered = []
    assert sorted(await box.made().tools(WHO)) == ["x" * 64]
    assert caplog.messages[0] == "the tool 'a b' of first has a name that models cannot call; it is left out"
    assert len(caplog.messages) == 3


async def test_models_get_128_tools_and_operators_are_told_of_the_others(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    box.first.offered = [Tool(f"tool{number}") for number in range(300)]
    box.second.offered = []
    assert len(await box.made().tools(WHO)) == 128
    assert caplog.messages[0] == "there are more than 128 tools; tool128 of first is left out (tools.allow)"
    assert len(caplog.messages) == 128


@pytest.mark.parametrize(
    ("offered", "said"),
    [
        (ProviderError("away."), "first could not list its tools: away."),
        ([Tool("clock"), "files"], "first could not list its tools: the hook returned"),
        ("clock", "first could not list its tools: the hook returned str instead of a list of Tools"),
    ],
)
async def test_a_provider_that_fails_has_no_tools(box: Box, offered: Any, said: str) -> None:
    box.first.offered = offered
    assert sorted(await box.made().tools(WHO)) == ["files_read", "files_write"]
    ((consequence, error),) = box.said
    assert consequence == "answering without its tools"
    assert error.startswith(said)


async def test_a_provider_without_a_list_has_no_tools(box: Box) -> None:
    box.first.offered = None
    assert sorted(await box.made().tools(WHO)) == ["files_read", "files_write"]


async def test_each_call_goes_to_its_provider_with_who_asks(box: Box) -> None:
    outcomes = await box.made().call([("second", CALL), ("first", CALL), ("second", ToolCall("2", "x", "[]"))], WHO)
    assert [(outcome.provider, outcome.value) for outcome in outcomes] == [
        ("second", ToolResult("clock: rain")),
        ("first", ToolResult("clock: rain")),
        ("second", ToolResult("x: rain")),
    ]
    assert box.second.called == [CALL, ToolCall("2", "x", "[]")]
    assert box.second.contexts == [WHO, WHO]


async def test_a_call_that_fails_spoils_no_other(box: Box) -> None:
    box.first.acts["clock"] = raises(ProviderError("broken.", kind="unavailable"))
    first, second = await box.made().call([("first", CALL), ("second", CALL)], WHO)
    assert isinstance(first.error, ProviderError)
    assert (first.provider, first.value, first.error.operation, first.error.kind) == (
        "first",
        None,
        "call_tool",
        "unavailable",
    )
    assert first.seconds > 0
    assert second.value == ToolResult("clock: rain")
    assert box.said == [("the tool clock failed", "first could not call tool: broken.")]


async def test_a_result_of_another_type_is_a_mistake_of_the_plugin(box: Box) -> None:
    box.first.acts["clock"] = returns("nine")
    (outcome,) = await box.made().call([("first", CALL)], WHO)
    assert outcome.value is None
    ((consequence, error),) = box.said
    assert consequence == "the tool clock failed"
    assert "returned str instead of a ToolResult" in error


async def test_calls_and_lists_have_deadlines(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    async def forever(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    box.first.acts["clock"] = forever
    (outcome,) = await box.made(Timeouts(call_tool=0.01)).call([("first", CALL)], WHO)
    assert isinstance(outcome.error, ProviderError)
    assert outcome.error.kind == "timeout"
    assert str(outcome.error) == "first could not call tool: no answer within 0.01 s."
    made = box.made(Timeouts(tools=0.01))
    monkeypatch.setitem(made._list, "first", forever)
    assert sorted(await made.tools(WHO)) == ["files_read", "files_write"]
    assert box.said[-1] == ("answering without its tools", "first could not list its tools: no answer within 0.01 s.")


def test_the_limits_are_those_of_services() -> None:
    assert toolbox._MOST == 128  # OpenAI's
