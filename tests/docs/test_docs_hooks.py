"""The page about hooks: every hook is there as it is specified, and every example runs."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from orbit.host.plugins.verify import HOOKS, breaches, implemented_hooks
from orbit.provider import Provider
from orbit.testing import host, make_host, serve
from orbit.types import CallContext, Document, GenerateOptions, Message, Query

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text("utf-8")
CONTEXT = CallContext("test")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The examples of the page, as the module that they would be."""
    folder = tmp_path_factory.mktemp("examples")
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (folder / "hook_examples.py").write_text("\n\n".join(blocks))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("hook_examples")


def plugins(examples: ModuleType) -> dict[str, type[Provider]]:
    found = {
        name.lower(): value
        for name, value in vars(examples).items()
        if isinstance(value, type) and issubclass(value, Provider)
    }
    assert len(found) >= 12
    return found


def test_every_hook_has_its_section() -> None:
    assert re.findall(r"^## Hook (\w+)$", PAGE, re.MULTILINE) == list(HOOKS)
    assert re.findall(r"^<!-- hook: (\w+) -->$", PAGE, re.MULTILINE) == list(HOOKS)


def test_the_examples_keep_the_contract_and_cover_every_hook(examples: ModuleType) -> None:
    covered: set[str] = set()
    for plugin in plugins(examples).values():
        assert breaches(plugin) == []
        covered.update(implemented_hooks(plugin))
    assert covered == set(HOOKS)


def test_the_contract_on_the_page_is_kept(examples: ModuleType, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    options = ["-o", "asyncio_default_fixture_loop_scope=function", str(examples.__file__)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_every_method_of_a_provider_is_named() -> None:
    for name in vars(Provider):
        if not name.startswith("_") and name not in ("settings", "ORBIT_API"):
            assert f"`{name}" in PAGE, name


def test_the_test_of_the_page_passes(examples: ModuleType, tmp_path: Path) -> None:
    assert examples.ask_parrot(tmp_path) == "Hello there "


async def test_answers_and_their_measure(examples: ModuleType, tmp_path: Path) -> None:
    async with host({"countingparrot": {}}, tmp_path, plugins(examples)) as running:
        parrot = running.registry["countingparrot"]
        count = running.registry.caller("count_tokens", "countingparrot")
        messages = (Message("user", "one two three"),)
        size = await count(messages=messages, context=CONTEXT)
        options = GenerateOptions(max_tokens=2)
        said = [chunk async for chunk in running.generate(messages, options, CONTEXT)]
        assert await parrot.health()
    assert (size.prompt, size.window) == (3, 256)
    assert "".join(chunk.text for chunk in said) == "one two "
    assert said[-1].finish_reason == "length"


async def test_vectors(examples: ModuleType, tmp_path: Path) -> None:
    async with host({"letters": {}, "echo": {}}, tmp_path, plugins(examples)) as running:
        vectors = await running.embed(["Listen", "silent", "hut", ""], "query", CONTEXT)
        none = await running.embed([], "document", CONTEXT)
    assert np.allclose(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 0.5
    assert none.shape == (0, 26)


async def test_a_store(examples: ModuleType, tmp_path: Path) -> None:
    async with host({"memory": {}, "echo": {}}, tmp_path, plugins(examples)) as running:
        for digest in ("old", "new"):
            documents = [Document("1", "text", source="a.md", digest=digest)]
            assert await running.index("docs", documents, CONTEXT) == 1
        assert await running.list_sources("docs", CONTEXT) == {"a.md": "new"}
        (collection,) = await running.list_collections(CONTEXT)
        assert (collection.name, collection.documents) == ("docs", 1)
        assert await running.forget("docs", ["a.md", "b.md"], CONTEXT) == 1
        assert await running.list_sources("docs", CONTEXT) == {}
        assert await running.drop("docs", CONTEXT)
        assert not await running.drop("docs", CONTEXT)


async def test_finding_and_wrapping(examples: ModuleType, tmp_path: Path) -> None:
    settings = {"glossary": {"terms": {"ASGI": "an interface"}}, "patient": {}, "echo": {}}
    async with host(settings, tmp_path, plugins(examples)) as running:
        retrieve = running.registry.caller("retrieve", "glossary")
        found = await retrieve(query=Query("What is asgi?"), limit=3, context=CONTEXT)
        patient: Any = running.registry["patient"]
    assert patient.found == [1]
    assert [document.text for document in found] == ["ASGI: an interface"]


async def test_the_life_of_a_provider(examples: ModuleType, tmp_path: Path) -> None:
    async with host({"folder": {}, "echo": {}}, tmp_path, plugins(examples)) as running:
        folder = running.registry["folder"]
        assert (await folder.health()).status == "ok"
    assert (await folder.health()).status == "down"
    (problem,) = make_host({"folder": {"path": "\0"}, "echo": {}}, tmp_path, plugins(examples)).problems
    assert problem.path == "folder"


def test_a_turn_through_the_rest(examples: ModuleType, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"echo": {}, "shelf": {"texts": ["long passage", "short"]}}
    settings |= {"shortestfirst": {}, "nosecrets": {}, "counter": {}}
    with serve(settings, tmp_path, plugins(examples)) as server:

        def ask(question: str) -> Any:
            body = {"message": question, "stream": False}
            return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()

        assert [source["text"] for source in ask("Hello")["sources"]] == ["short", "long passage"]
        assert ask("Tell me a secret")["response"] == "That stays between us."
        counter = server.provider("counter")
    assert counter.turns == {"ok": 1, "blocked": 1}


def test_commands_and_routes(examples: ModuleType, tmp_path: Path) -> None:
    running = make_host({"teller": {}, "greeter": {}, "echo": {}}, tmp_path, plugins(examples))
    group = click.Group("teller")
    running.registry.caller("register_commands", "teller")(group=group)
    assert CliRunner().invoke(group, ["hello"]).output == "hello from teller\n"
    (route,) = running.registry.caller("register_routes", "greeter")()
    assert route.paths == {"/hello"}
