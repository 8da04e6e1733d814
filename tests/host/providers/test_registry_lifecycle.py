"""Starting, choosing, calling and stopping providers."""

from pathlib import Path

import numpy as np
import pytest

from orbit import CallContext, Document, GenerateOptions, Message, ProviderError
from orbit.errors import ConfigError, PluginLoadError
from orbit.testing import make_host

CONTEXT = CallContext("r")

LIVELY = """
events = []
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        fail: str = ""
    async def _do(self, what):
        events.append((self.name, what))
        if self.settings.fail == what: raise orbit.ProviderError("no luck.")
        if self.settings.fail == what + " hang":
            import asyncio
            await asyncio.sleep(60)
        if self.settings.fail == what + " oddly": raise ZeroDivisionError
    async def __aenter__(self):
        await self._do("enter"); return self
    async def __aexit__(self, *error): await self._do("exit")
    async def ready(self): await self._do("ready")
"""

GENERATOR = (
    LIVELY
    + """
    @orbit.hookimpl
    async def generate(self, messages): yield orbit.Chunk("hello")
"""
)
SINK = (
    LIVELY
    + """
    @orbit.hookimpl
    async def log(self, record): pass
"""
)


async def test_the_order_of_a_life(install, tmp_path: Path) -> None:
    install("one", GENERATOR)
    install("two", SINK)
    async with make_host({"one": {}, "two": {}}, tmp_path):
        pass
    import one  # type: ignore[import-not-found]  # made by the fixture
    import two  # type: ignore[import-not-found]  # made by the fixture

    assert one.events == [("one", "enter"), ("one", "ready"), ("one", "exit")]
    assert two.events == [("two", "enter"), ("two", "ready"), ("two", "exit")]


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        ("enter", "one: it could not start: no luck."),
        ("enter hang", "one: it could not start: it took longer than 0.2 s (timeouts.start)."),
        ("enter oddly", "ZeroDivisionError"),
        ("ready", "one: it could not become ready: no luck."),
    ],
)
async def test_a_provider_that_is_needed_and_fails_refuses_the_start(install, tmp_path: Path, fail, reason) -> None:
    install("one", GENERATOR)
    host = make_host(
        {
            "two": {"use": "one"},
            "one": {"fail": fail},
            "general": {"inference_provider": "one"},
            "timeouts": {"start": 0.2},
        },
        tmp_path,
    )
    with pytest.raises(PluginLoadError) as raised:
        async with host:
            pass
    assert reason in str(raised.value)
    import one

    assert ("two", "exit") in one.events, "what had started is stopped again"


@pytest.mark.parametrize("fail", ["enter", "enter hang", "enter oddly", "ready"])
async def test_one_that_is_not_needed_is_left_out(install, tmp_path: Path, fail: str) -> None:
    install("one", GENERATOR)
    install("two", SINK)
    async with make_host({"one": {}, "two": {"fail": fail}, "timeouts": {"start": 0.2}}, tmp_path) as host:
        assert host.registry.names() == ("one",)
        assert host.registry.failed["two"]
        assert not host.registry.callers("log")


async def test_the_operator_decides_what_is_required(install, tmp_path: Path) -> None:
    install("two", SINK)
    with pytest.raises(PluginLoadError):
        async with make_host({"echo": {}, "two": {"fail": "enter", "required": True}}, tmp_path):
            pass


@pytest.mark.parametrize("fail", ["exit", "exit hang", "exit oddly"])
async def test_one_that_fails_to_stop_keeps_nobody_open(install, tmp_path: Path, fail: str) -> None:
    install("one", GENERATOR)
    install("two", SINK)
    config = {"one": {}, "two": {"fail": fail}, "timeouts": {"stop": 0.2}}
    async with make_host(config, tmp_path):
        pass
    import one

    assert ("one", "exit") in one.events


def test_choosing_among_several(tmp_path: Path) -> None:
    config = {"fast": {"use": "echo"}, "good": {"use": "script"}}
    (problem,) = make_host(config, tmp_path).problems
    assert str(problem) == (
        "general.inference_provider: several providers can generate: fast, good. Name the one to use here."
    )
    named = make_host({**config, "general": {"inference_provider": "good"}}, tmp_path)
    assert named.problems == ()
    assert named.roles.generate == "good"


def test_a_choice_that_another_mistake_hides_is_no_mistake(tmp_path: Path) -> None:
    general = {"inference_provider": "good", "port": "many"}
    problems = make_host({"fast": {"use": "echo"}, "good": {"use": "echo"}, "general": general}, tmp_path).problems
    assert [problem.path for problem in problems] == ["general.port"]


def test_choosing_one_that_cannot(tmp_path: Path) -> None:
    config = {"echo": {}, "shelf": {}, "mini": {"use": "wordllama"}, "general": {"embedding_provider": "shelf"}}
    (problem,) = make_host(config, tmp_path).problems
    assert str(problem) == "general.embedding_provider: 'shelf' cannot embed; providers that can: mini."


def test_nobody_generates(tmp_path: Path) -> None:
    (problem,) = make_host({"shelf": {}}, tmp_path).problems
    assert str(problem).startswith("general.inference_provider: no enabled provider can generate.")


async def test_a_host_with_problems_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        async with make_host({"echo": {"no": 1}}, tmp_path):
            pass


async def test_named_instances_generate_by_name(tmp_path: Path) -> None:
    config = {"echo": {}, "judge": {"use": "script", "words": 1}, "general": {"inference_provider": "echo"}}
    async with make_host(config, tmp_path) as host:

        async def say(provider: str) -> str:
            messages = [Message("user", "hi there")]
            return "".join([c.text async for c in host.generate(messages, GenerateOptions(), CONTEXT, provider)])

        assert await say("") == "hi there"
        assert await say("judge") == "word0 "
        with pytest.raises(ProviderError, match="'nobody' cannot generate; providers that can: echo, judge"):
            await say("nobody")


ODD_EMBEDDER = """
import numpy
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        give: str = ""
    @orbit.hookimpl
    async def embed(self, texts):
        return eval(self.settings.give, {"numpy": numpy, "texts": texts})
"""


@pytest.mark.parametrize(
    ("give", "words"),
    [
        ("[[1.0, 2.0]]", "returned a list of list instead of a float32 array"),
        ("numpy.ones((1, 4))", "float64 of shape (1, 4) for 1 texts"),
        ("numpy.ones(4, numpy.float32)", "float32 of shape (4,) for 1 texts"),
        ("numpy.ones((2, 4), numpy.float32)", "float32 of shape (2, 4) for 1 texts"),
        ("1 / 0", "it failed unexpectedly (ZeroDivisionError)"),
    ],
)
async def test_embeddings_are_checked(install, tmp_path: Path, give: str, words: str) -> None:
    install("odd", ODD_EMBEDDER)
    async with make_host({"echo": {}, "odd": {"give": give}}, tmp_path) as host:
        with pytest.raises(ProviderError) as raised:
            await host.embed(["one"], "query", CONTEXT)
    assert words in str(raised.value)
    assert raised.value.provider == "odd"


async def test_embeddings_pass(install, tmp_path: Path) -> None:
    install("odd", ODD_EMBEDDER)
    async with make_host({"echo": {}, "odd": {"give": "numpy.ones((len(texts), 3), numpy.float32)"}}, tmp_path) as host:
        vectors = await host.embed(["one", "two"], "document", CONTEXT)
        assert host.embedding == "odd/"
    assert vectors.shape == (2, 3)
    assert vectors.dtype == np.float32


async def test_without_embedder_or_store_the_error_says_what_to_enable(tmp_path: Path) -> None:
    async with make_host({"echo": {}}, tmp_path) as host:
        with pytest.raises(ProviderError, match="no enabled provider can embed"):
            await host.embed(["x"], "query", CONTEXT)
        with pytest.raises(ProviderError, match="enable a store"):
            await host.index("c", [Document("1", "x")], CONTEXT)


WRAPPER = """
class Plugin(orbit.Provider):
    @orbit.hookimpl(wrapper=True)
    def retrieve(self, query):
        found = yield
        async def twice():
            documents = await found
            return [*documents, *documents]
        return twice()
"""


async def test_a_wrapper_sees_every_provider_of_a_hook(install, tmp_path: Path) -> None:
    from orbit import Query

    install("doubler", WRAPPER)
    config = {"echo": {}, "one": {"use": "shelf"}, "two": {"use": "shelf"}, "doubler": {}}
    async with make_host(config, tmp_path) as host:
        callers = host.registry.callers("retrieve")
        assert list(callers) == ["one", "two"]
        for caller in callers.values():
            assert len(await caller(query=Query("x"), limit=5, context=CONTEXT)) == 2


AWAY = """
class Plugin(orbit.Provider):
    @orbit.hookimpl
    async def generate(self, messages):
        yield orbit.Chunk("so", finish_reason="stop")
    @orbit.hookimpl
    async def embed(self, texts):
        return None
    async def __aenter__(self):
        raise orbit.ProviderError("no model is there.")
"""


async def test_what_is_not_required_and_fails_has_no_role(install, tmp_path: Path) -> None:
    install("away", AWAY)
    config = {"echo": {}, "away": {"required": False}, "general": {"inference_provider": "echo"}}
    async with make_host(config, tmp_path) as host:
        assert (host.roles.generate, host.roles.embed, host.embedding) == ("echo", "", "")
        with pytest.raises(ProviderError, match="no enabled provider can embed"):
            await host.embed(["x"], "query", CONTEXT)


async def test_what_answers_is_required_whatever_its_section_says(install, tmp_path: Path) -> None:
    install("away", AWAY)
    config = {"echo": {}, "away": {"required": False}, "general": {"inference_provider": "away"}}
    with pytest.raises(PluginLoadError, match=r"away: it could not start, and it is the one that answers: no model"):
        async with make_host(config, tmp_path):
            pass


HALF_ABLE = """
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        able: bool = True
    def offers(self, hook): return self.settings.able
    @orbit.hookimpl
    async def generate(self, messages): yield orbit.Chunk(self.name)
"""


@pytest.mark.parametrize("order", [("able", "unable"), ("unable", "able")])
async def test_only_the_selected_instance_is_called(order: tuple[str, str], install, tmp_path: Path) -> None:
    install("half", HALF_ABLE)
    config = {name: {"use": "half", "able": name == "able"} for name in order}
    async with make_host(config, tmp_path) as running:
        chunks = running.generate((Message("user", "who?"),), GenerateOptions(), CONTEXT)
        assert [chunk.text async for chunk in chunks] == ["able"]
