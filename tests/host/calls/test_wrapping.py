"""Wrappers of other plugins' hooks: their mistakes are theirs, not those of the plugins that they wrap."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import CallContext, GenerateOptions, Message, ProviderError
from orbit.testing import make_host, serve

CONTEXT = CallContext("r")
QUESTION = (Message("user", "one two three"),)


def own(host: Any, name: str) -> Any:
    """A provider with its own attributes."""
    return host.registry[name]


HEAD = """
from contextlib import aclosing
class Plugin(orbit.Provider):
    @orbit.hookimpl(wrapper=True)
    def {hook}(self):
"""

EMBED = {
    "raises before": "raise KeyError('x')\n        yield",
    "raises after": "yield\n        raise KeyError('x')",
    "raises while waiting": """
        found = yield
        async def later():
            await found
            raise KeyError("x")
        return later()
    """,
    "never yields": "return iter(())\n        yield",
    "yields twice": "yield\n        yield",
    "returns nothing": "yield",
    "returns a value": "(yield).close()\n        return [1]",
    "hangs": """
        found = yield
        async def later():
            await found
            import asyncio
            await asyncio.Event().wait()
        return later()
    """,
}


SENTENCES = {
    "never yields": "never yields, and has to yield once",
    "yields twice": "yields more than once, and has to yield once",
    "returns nothing": "the hook returned None instead of",
    "returns a value": "the hook returned a list of int instead of a coroutine",
    "returns text": "the hook returned str instead of an async iterator of Chunks",
    "yields text": "the hook returned str instead of Chunks",
}
"""What is said of a wrapper's mistake, beside its name."""


@pytest.mark.parametrize("name", EMBED)
async def test_a_wrong_wrapper_of_a_coroutine_is_named(name: str, install, tmp_path: Path) -> None:
    install("wrong", HEAD.format(hook="embed") + "        " + EMBED[name].strip())
    config = {"echo": {}, "bag": {}, "wrong": {}, "timeouts": {"embed": 0.3}}
    async with make_host(config, tmp_path) as host:
        with pytest.raises(ProviderError) as raised:
            await host.embed(["x"], "query", CONTEXT)
    assert raised.value.provider == "wrong"
    assert raised.value.operation == "embed"
    assert SENTENCES.get(name, "") in raised.value.message


GENERATE = {
    "raises before": "raise KeyError('x')\n        yield",
    "raises after": "yield\n        raise KeyError('x')",
    "raises in the stream": """
        chunks = yield
        async def noted():
            async for chunk in chunks:
                yield chunk
                raise KeyError("x")
        return noted()
    """,
    "never yields": "return iter(())\n        yield",
    "yields twice": "yield\n        yield",
    "returns nothing": "yield",
    "returns text": "yield\n        return 'x'",
    "yields text": """
        chunks = yield
        async def noted():
            async for chunk in chunks:
                yield chunk.text
        return noted()
    """,
    "hangs": """
        chunks = yield
        async def noted():
            async for chunk in chunks:
                import asyncio
                await asyncio.Event().wait()
                yield chunk
        return noted()
    """,
}


@pytest.mark.parametrize("name", GENERATE)
def test_a_wrong_wrapper_of_a_stream_is_named(
    name: str, install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install("wrong", HEAD.format(hook="generate") + "        " + GENERATE[name].strip())
    config = {"echo": {}, "wrong": {}, "timeouts": {"first_token": 0.3, "next_token": 0.3}}
    with serve(config, tmp_path) as server:
        headers = {"X-API-Key": server.key}
        answer = httpx.post(f"{server.url}/chat", json={"message": "a b c"}, headers=headers)
        assert "error" in answer.text or answer.status_code >= 500
    (told,) = [line.getMessage() for line in caplog.records if "not answered" in line.getMessage()]
    assert told.startswith("not answered: wrong could not generate: ")
    assert SENTENCES.get(name, "") in told


SEES = """
class Plugin(orbit.Provider):
    @orbit.hookimpl(wrapper=True)
    def embed(self):
        found = yield
        async def later():
            try:
                return await found
            except KeyError as error:
                self.seen = error
                raise
        return later()
class Failing(orbit.Provider):
    @orbit.hookimpl
    async def embed(self, texts):
        raise KeyError("of its own")
"""


async def test_an_error_of_the_wrapped_plugin_stays_its_own(install, tmp_path: Path) -> None:
    install("sees", SEES)
    install("failing", SEES, target="Failing")
    async with make_host({"echo": {}, "failing": {}, "sees": {}}, tmp_path) as host:
        with pytest.raises(ProviderError) as raised:
            await host.embed(["x"], "query", CONTEXT)
        assert raised.value.provider == "failing"
        assert type(own(host, "sees").seen) is KeyError


OLD = """
class Plugin(orbit.Provider):
    @orbit.hookimpl(hookwrapper=True)
    def generate(self):
        outcome = yield
        chunks = outcome.get_result()
        async def loud():
            async for chunk in chunks:
                yield orbit.Chunk(chunk.text.upper())
        outcome.force_result(loud())
"""
OTHER_NAME = """
class Plugin(orbit.Provider):
    @orbit.hookimpl(specname="generate")
    async def write(self):
        yield orbit.Chunk(self.name)
    @orbit.hookimpl(specname="generate", wrapper=True)
    def watch(self):
        self.calls = getattr(self, "calls", 0) + 1
        return (yield)
"""


async def text_of(host, provider: str = "") -> str:
    return "".join([chunk.text async for chunk in host.generate(QUESTION, GenerateOptions(), CONTEXT, provider)])


async def test_the_older_form_of_wrappers_works(install, tmp_path: Path) -> None:
    install("old", OLD)
    async with make_host({"echo": {}, "old": {}}, tmp_path) as host:
        assert await text_of(host) == "ONE TWO THREE"


@pytest.mark.parametrize("order", [("echo", "other"), ("other", "echo")])
async def test_a_hook_under_another_name_is_a_hook(order: tuple[str, str], install, tmp_path: Path) -> None:
    install("other", OTHER_NAME)
    config: dict[str, Any] = {name: {} for name in order} | {"general": {"inference_provider": "echo"}}
    async with make_host(config, tmp_path) as host:
        assert host.registry.implementing("generate") == order
        assert (await text_of(host), await text_of(host, "other")) == ("one two three", "other")
        assert own(host, "other").calls == 2


FORGETFUL = """
class Plugin(orbit.Provider):
    @orbit.hookimpl(wrapper=True)
    def generate(self):
        chunks = yield
        async def noted():
            async for chunk in chunks:
                yield chunk
        return noted()
class Endless(orbit.Provider):
    stopped = False
    @orbit.hookimpl
    async def generate(self, messages):
        try:
            while True:
                yield orbit.Chunk("x")
        finally:
            self.stopped = True
"""


async def test_a_wrapper_that_forgets_to_close_stops_the_model_all_the_same(install, tmp_path: Path) -> None:
    install("forgetful", FORGETFUL)
    install("endless", FORGETFUL, target="Endless")
    async with make_host({"endless": {}, "forgetful": {}}, tmp_path) as host:
        chunks = host.generate(QUESTION, GenerateOptions(), CONTEXT)
        await anext(chunks)
        await chunks.aclose()
        assert own(host, "endless").stopped


CIRCLES = """
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        ask: str = ""
    @orbit.hookimpl
    async def generate(self, messages, options, context):
        async for chunk in self.host.generate(messages, options, context, provider=self.settings.ask):
            yield chunk
    @orbit.hookimpl
    async def embed(self, texts, kind, context):
        return await self.host.embed(texts, kind, context)
"""


@pytest.mark.parametrize(
    ("config", "circle"),
    [
        ({"a": {"use": "circles"}}, "a.generate -> a.generate"),
        ({"a": {"use": "circles", "ask": "a"}}, "a.generate -> a.generate"),
        (
            {"a": {"use": "circles", "ask": "b"}, "b": {"use": "circles", "ask": "a"}},
            "b.generate -> a.generate -> b.generate",
        ),
    ],
)
def test_a_provider_that_asks_itself_is_refused(
    config: dict[str, Any], circle: str, install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install("circles", CIRCLES)
    roles = {"inference_provider": "a", "embedding_provider": "a"}
    with serve({"general": roles, **config}, tmp_path) as server:
        answer = httpx.post(f"{server.url}/chat", json={"message": "x"}, headers={"X-API-Key": server.key})
        assert answer.status_code == 502
        assert any(f"it calls itself through the host ({circle})" in line.getMessage() for line in caplog.records)
        with pytest.raises(ProviderError, match=r"\(a\.embed -> a\.embed\)"):
            server.call(server.services.host.embed(["x"], "query", CONTEXT))


async def test_what_others_ask_meanwhile_is_no_circle(tmp_path: Path) -> None:
    async with make_host({"echo": {}, "bag": {}}, tmp_path) as host:
        one = host.generate(QUESTION, GenerateOptions(), CONTEXT)
        await anext(one)  # not read to its end
        assert await text_of(host) == "one two three"
        assert list(await asyncio.gather(text_of(host), text_of(host))) == ["one two three"] * 2
        await one.aclose()


NAMED = """
class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages, provider):
        yield orbit.Chunk(f"I am {provider}", finish_reason="stop")
"""
NOTES = """
class Plugin(orbit.Provider):
    asked = ()
    @orbit.hookimpl(wrapper=True)
    def generate(self, provider, question):
        self.asked = (*self.asked, (provider, question))
        return (yield)
"""


@pytest.mark.parametrize("wrapped", [False, True])
async def test_whoever_asks_learns_which_instance_answers(wrapped: bool, install, tmp_path: Path) -> None:
    install("named", NAMED)
    install("notes", NOTES)
    sections = {"one": {"use": "named"}, "two": {"use": "named"}}
    config: dict[str, Any] = {**sections, "general": {"inference_provider": "one"}}
    if wrapped:
        config["notes"] = {}
    async with make_host(config, tmp_path) as host:
        for name in ("one", "two"):
            said = host.generate(QUESTION, GenerateOptions(), CONTEXT, provider=name)
            assert [chunk.text async for chunk in said] == [f"I am {name}"]
        if wrapped:
            assert own(host, "notes").asked == (("one", "one two three"), ("two", "one two three"))
