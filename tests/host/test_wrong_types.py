"""A hook that returns something else than it should: one sentence, with the name of the instance."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import CallContext, Document, Provider, ProviderError, hookimpl
from orbit.testing import make_host, serve

CONTEXT = CallContext("r")


class Odd(Provider):
    """Returns the answer to everything, whatever the hook."""

    @hookimpl
    async def generate(self):
        yield 42

    @hookimpl
    async def count_tokens(self):
        return 42

    @hookimpl
    async def embed(self):
        return 42

    @hookimpl
    async def retrieve(self):
        return 42

    @hookimpl
    async def index(self):
        return "42"

    @hookimpl
    async def drop(self):
        return 42

    @hookimpl
    async def forget(self):
        return "42"

    @hookimpl
    async def list_sources(self):
        return 42

    @hookimpl
    async def list_collections(self):
        return [42]

    @hookimpl
    async def rerank(self):
        return [42]

    @hookimpl
    async def moderate(self):
        return 42


def only(*hooks: str) -> type[Provider]:
    """A provider with some of the odd hooks."""
    return type("Plugin", (Provider,), {hook: vars(Odd)[hook] for hook in hooks})


def sentence(provider: str, verb: str, got: str, expected: str) -> str:
    return (
        f"{provider} could not {verb}: the hook returned {got} instead of {expected}; this is a mistake in the plugin."
    )


CHAT = {
    "generate": (("generate",), "generate", "int", "Chunks"),
    "count_tokens": (("generate", "count_tokens"), "count tokens", "int", "a TokenCount"),
    "retrieve": (("retrieve",), "retrieve", "int", "a list of Documents"),
    "moderate": (("moderate",), "moderate", "int", "a Verdict"),
}


@pytest.fixture
def offered(monkeypatch):
    """Make a class importable, as an installed plugin is."""

    def offer(kind: type[Provider]) -> type[Provider]:
        kind.__module__, kind.__qualname__ = __name__, "Plugin"
        monkeypatch.setitem(globals(), "Plugin", kind)
        return kind

    return offer


@pytest.mark.parametrize("hook", CHAT)
def test_in_a_chat_turn(offered, tmp_path: Path, hook: str, caplog) -> None:
    hooks, verb, got, expected = CHAT[hook]
    config: dict[str, Any] = {"odd": {}} if "generate" in hooks else {"echo": {}, "odd": {}}
    with serve(config, tmp_path, {"odd": offered(only(*hooks))}) as server:
        asked: dict[str, Any] = {"json": {"message": "hi", "stream": False}, "headers": {"X-API-Key": server.key}}
        answer = httpx.post(f"{server.url}/chat", **asked)
    assert answer.status_code == (502 if "generate" in hooks else 503)
    assert "could not answer" in answer.json()["detail"]
    assert sentence("odd", verb, got, expected) in caplog.text


def test_in_reranking_the_order_stays_and_the_log_says_why(offered, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.WARNING)
    with serve({"echo": {}, "shelf": {}, "odd": {}}, tmp_path, {"odd": offered(only("rerank"))}) as server:
        asked: dict[str, Any] = {"json": {"message": "hi", "stream": False}, "headers": {"X-API-Key": server.key}}
        assert httpx.post(f"{server.url}/chat", **asked).status_code == 200
    assert sentence("odd", "rerank", "a list of int", "a list of Documents") in caplog.text


async def test_in_a_store_and_an_embedder(offered, tmp_path: Path) -> None:
    hooks = ("embed", "index", "drop", "forget", "list_sources", "list_collections")
    host = make_host({"echo": {}, "odd": {}}, tmp_path, {"odd": offered(only(*hooks))})
    calls = {
        "embed": (lambda: host.embed(["x"], "query", CONTEXT), "int", "a float32 array of shape (number of texts, di"),
        "index": (lambda: host.index("c", [Document("1", "x")], CONTEXT), "str", "the number of documents written"),
        "drop": (lambda: host.drop("c", CONTEXT), "int", "True or False"),
        "forget": (lambda: host.forget("c", ["s"], CONTEXT), "str", "the number of sources that there were"),
        "list sources": (lambda: host.list_sources("c", CONTEXT), "int", "a mapping of sources to digests"),
        "list collections": (lambda: host.list_collections(CONTEXT), "a list of int", "a list of Collections"),
    }
    async with host:
        for verb, (invoke, got, expected) in calls.items():
            with pytest.raises(ProviderError) as raised:
                await invoke()
            assert str(raised.value).startswith(f"odd could not {verb}: the hook returned {got} instead of {expected}")


STOPS_BADLY = """
class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages): yield orbit.Chunk("hello")
    async def __aexit__(self, *error): raise orbit.ProviderError("the file is locked.")
"""


async def test_one_that_raises_in_stop_is_told_by_name(install, tmp_path: Path, caplog) -> None:
    install("wiki", STOPS_BADLY)
    async with make_host({"wiki": {}}, tmp_path):
        pass
    assert "wiki did not stop cleanly: the file is locked." in caplog.text
