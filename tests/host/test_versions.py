"""Plugins written for an earlier API go on working, and their authors are told what will go."""

import inspect
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import CallContext, ChatRecord, Document, GenerateOptions, Message, Query, hookspecs
from orbit.host.plugins import verify
from orbit.host.plugins.deprecations import Deprecation
from orbit.testing import make_host, serve

FOLDER = Path(__file__).parents[1] / "data" / "plugin_api_1"
CONTEXT = CallContext("r")
MESSAGES = [Message("user", "you")]
QUERY = Query("you", "c")
DOCUMENTS = [Document("1", "text", "a.md", digest="d")]

CALLS: dict[str, dict[str, Any]] = {
    "generate": {"messages": MESSAGES, "options": GenerateOptions(), "context": CONTEXT},
    "count_tokens": {"messages": MESSAGES, "context": CONTEXT},
    "embed": {"texts": ["one"], "kind": "query", "context": CONTEXT},
    "retrieve": {"query": QUERY, "limit": 3, "context": CONTEXT},
    "index": {"collection": "c", "documents": DOCUMENTS, "context": CONTEXT},
    "drop": {"collection": "c", "context": CONTEXT},
    "list_sources": {"collection": "c", "context": CONTEXT},
    "list_collections": {"context": CONTEXT},
    "rerank": {"query": QUERY, "documents": DOCUMENTS, "limit": 3, "context": CONTEXT},
    "moderate": {"stage": "input", "messages": MESSAGES, "context": CONTEXT},
    "log": {"record": ChatRecord(1.0, "r", "you"), "context": CONTEXT},
}


@pytest.fixture
def frozen(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    from frozen_api_1 import Frozen  # type: ignore[import-not-found]  # found by the line above

    yield Frozen
    sys.modules.pop("frozen_api_1", None)


@pytest.fixture
def longer_hooks(monkeypatch):
    """Every hook with one more argument, as a later version of ORBIT may pass it."""
    for name in CALLS:
        hook = getattr(hookspecs, name)
        body = "yield" if name == "generate" else "..."
        namespace: dict[str, Any] = {}
        exec(f"async def {name}({', '.join(inspect.signature(hook).parameters)}, budget): {body}", namespace)
        longer = hookspecs.hookspec(firstresult=True)(namespace[name])
        monkeypatch.setattr(hookspecs, name, longer)
        monkeypatch.setitem(verify.HOOKS, name, longer)


async def test_another_argument_of_a_hook_breaks_no_plugin(frozen, longer_hooks, tmp_path: Path) -> None:
    made = make_host({"frozen": {}}, tmp_path, {"frozen": frozen})
    assert made.problems == ()
    async with made as host:
        for name, arguments in CALLS.items():
            assert "budget" in inspect.signature(verify.HOOKS[name]).parameters
            result = host.registry.caller(name, "frozen")(**arguments, budget=5)
            if name == "generate":
                assert [chunk.text async for chunk in result] == ["Hello, you", ""]
            else:
                await result
        assert (await host.registry["frozen"].health()).status == "ok"


def test_a_plugin_of_the_first_api_serves(frozen, tmp_path: Path) -> None:
    with serve({"frozen": {"greeting": "Good day"}}, tmp_path, {"frozen": frozen}) as server:
        headers = {"X-API-Key": server.key}
        answer = httpx.post(f"{server.url}/chat", json={"message": "you", "stream": False}, headers=headers)
        greeting = httpx.get(f"{server.url}/plugins/frozen/greeting", headers=headers)
    assert answer.json()["response"].startswith("Good day, ")
    assert greeting.text == "Good day"


def test_a_plugin_of_the_first_api_is_asked_only_for_what_it_can(frozen, tmp_path: Path) -> None:
    question = [{"role": "user", "content": "you"}]
    tools = [{"type": "function", "function": {"name": "weather"}}]
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": pixel}}]}]
    with serve({"frozen": {}}, tmp_path, {"frozen": frozen}) as server:

        def ask(**body: object) -> httpx.Response:
            headers = {"Authorization": f"Bearer {server.key}"}
            return httpx.post(f"{server.url}/v1/chat/completions", json={"model": "orbit", **body}, headers=headers)

        answers = [ask(messages=question), ask(messages=question, tools=tools, tool_choice="none")]
        refused = {"tools": ask(messages=question, tools=tools), "messages": ask(messages=image)}
    for answer in answers:
        assert answer.json()["choices"][0]["message"]["content"].startswith("Hello, ")
    for param, answer in refused.items():
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
        assert answer.json()["error"]["code"] == "unsupported_by_model"


def test_the_frozen_plugin_has_every_hook_of_the_first_api(frozen) -> None:
    assert set(verify.implemented_hooks(frozen)) == {*CALLS, "register_routes", "register_commands"}
    assert frozen.ORBIT_API == 1


@pytest.mark.parametrize(
    ("deprecation", "sentence"),
    [
        (
            Deprecation("hook", "rerank", "0.3", "0.5", "the hook order"),
            "Frozen.rerank: this hook is deprecated since 0.3 and goes with 0.5; use the hook order.",
        ),
        (
            Deprecation("argument", "retrieve", "0.3", "0.5", "query.limit", argument="limit"),
            "Frozen.retrieve: its argument 'limit' is deprecated since 0.3 and goes with 0.5; use query.limit.",
        ),
        (
            Deprecation("method", "validate", "0.3", "0.5", "Settings.__post_init__"),
            "Frozen.validate: this method is deprecated since 0.3 and goes with 0.5; use Settings.__post_init__.",
        ),
    ],
)
def test_authors_are_told_what_goes(frozen, tmp_path: Path, monkeypatch, deprecation, sentence: str) -> None:
    monkeypatch.setattr(verify, "DEPRECATIONS", (deprecation,))
    with pytest.warns(DeprecationWarning, match="is deprecated since") as warned:
        host = make_host({"frozen": {}}, tmp_path, {"frozen": frozen})
    assert host.problems == ()
    assert [str(warning.message) for warning in warned] == [sentence]
    assert warned[0].filename.endswith("frozen_api_1.py")


def test_nobody_is_told_of_what_they_do_not_use(tmp_path: Path, monkeypatch) -> None:
    unused = (
        Deprecation("hook", "rerank", "0.3", "0.5", "x"),
        Deprecation("argument", "generate", "0.3", "0.5", "x", argument="context"),
        Deprecation("method", "metrics", "0.3", "0.5", "x"),
    )
    monkeypatch.setattr(verify, "DEPRECATIONS", unused)
    assert make_host({"echo": {}}, tmp_path).problems == ()
