"""``orbit collections``: on the stores of a configuration, also beside a running server, and through one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli_kit import runner

from orbit.admin import collections as administration
from orbit.host.host import OrbitHost
from orbit.testing import serve

TOKEN = "the-administrators-own-token"
LARGE: dict[str, Any] = {
    "echo": {},
    "large": {"use": "wordllama", "dimension": 256},
    "small": {"use": "wordllama", "dimension": 64},
    "chroma": {"collection": "handbook", "relevance_threshold": 0.0, "confidence_threshold": 0.0},
    "general": {"embedding_provider": "large"},
    "ingest": {"readers": 1},
}
SMALL = {**LARGE, "general": {"embedding_provider": "small"}}
LARGE_ALONE = {name: section for name, section in LARGE.items() if name != "small"}
SMALL_ALONE = {name: section for name, section in SMALL.items() if name != "large"}
FERRIES, SHOPS = "The ferry leaves at noon.", "The shop opens at nine."


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("ORBIT_URL", raising=False)
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    for name, config in (("large", LARGE), ("small", SMALL)):
        data = {**config, "general": {**config["general"], "data_dir": str(tmp_path / "data")}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(data))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "ferries.txt").write_text(FERRIES)
    (tmp_path / "docs" / "shops.txt").write_text(SHOPS)
    return tmp_path


@pytest.fixture
def local(place: Path) -> Any:
    run = runner("--config", "large.yaml")
    run("ingest", "docs", "--collection", "handbook")
    return run


@pytest.fixture(params=["stores", "server"])
def orbit(request: pytest.FixtureRequest, local: Any, place: Path) -> Iterator[Any]:
    """Run a command: directly on the stores, and through a server that uses them."""
    if request.param == "stores":
        yield local
    else:
        with serve(LARGE, place / "data") as server:
            yield runner("--url", server.url)


def listed(orbit: Any) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(orbit("collections", "list", "--json").stdout)}


def key_of(orbit: Any, collection: str) -> Any:
    return json.loads(orbit("keys", "create", "--name", "Ana", "--collection", collection, "--json").stdout)


def collection_of(orbit: Any, key: Any) -> str:
    return str(json.loads(orbit("keys", "status", key["id"], "--json").stdout)["collection"])


def ask(server: Any, key: str, question: str = "When does the ferry leave?") -> Any:
    body = {"message": question, "stream": False}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": key}, timeout=30)


def test_collections_are_listed_and_shown(orbit: Any) -> None:
    key_of(orbit, "handbook")
    (found,) = listed(orbit).values()
    assert (found["name"], found["passages"], found["dimension"], found["keys"]) == ("handbook", 2, 256, 1)
    shown = json.loads(orbit("collections", "show", "handbook", "--json").stdout)
    assert (shown["documents"], shown["incomplete"]) == (2, [])
    assert orbit("collections", "show", "handbook").stdout.splitlines()[-1].split() == ["incomplete", "-"]
    assert "There is no collection 'other'." in orbit("collections", "show", "other", code=1).stderr


def test_documents_are_listed_by_the_names_that_other_commands_take(
    orbit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orbit.cli.collections._PAGE", 1)
    assert orbit("collections", "documents", "handbook").stdout.split() == [
        "document",
        "state",
        "ferries.txt",
        "shops.txt",
    ]
    (found,) = json.loads(orbit("collections", "documents", "handbook", "--contains", "SHOP", "--json").stdout)
    assert found == {"source": "shops.txt", "complete": True}
    assert "There is no collection 'other'." in orbit("collections", "documents", "other", code=1).stderr


def test_documents_are_removed(orbit: Any) -> None:
    orbit("collections", "remove", "handbook", "ferries.txt")
    assert json.loads(orbit("collections", "show", "handbook", "--json").stdout)["documents"] == 1
    assert "has no document 'ferries.txt'" in orbit("collections", "remove", "handbook", "ferries.txt", code=1).stderr


def test_a_collection_is_dropped_after_a_question(orbit: Any) -> None:
    asked = orbit("collections", "drop", "handbook", code=1, stdin="n\n").stderr
    assert "(2 documents; API keys that name it: 0)?" in asked
    assert "handbook" in listed(orbit)
    unknown = orbit("collections", "drop", "handbok", code=1, stdin="y\n").stderr
    assert "There is no collection 'handbok'." in unknown
    assert "Delete" not in unknown
    orbit("collections", "drop", "handbook", "--yes")
    assert listed(orbit) == {}
    assert "There is no collection" in orbit("collections", "drop", "handbook", "--yes", code=1).stderr


def test_a_key_of_a_collection_that_the_server_lacks_is_made_with_a_warning(orbit: Any, request: Any) -> None:
    by_server = "server" in request.node.callspec.id
    warned = orbit("keys", "create", "--name", "Ana", "--collection", "handbok", "--json")
    assert ("there is no collection 'handbok'" in warned.stderr) == by_server
    assert ("Collections: handbook." in warned.stderr) == by_server
    key = json.loads(warned.stdout)["id"]
    assert "Warning" not in orbit("keys", "update", key, "--collection", "handbook").stderr
    assert ("Warning" in orbit("keys", "update", key, "--collection", "hand-book").stderr) == by_server
    assert "Warning" not in orbit("keys", "update", key, "--notes", "n").stderr


def test_keys_follow_a_renamed_collection(orbit: Any) -> None:
    key, other = key_of(orbit, "handbook"), key_of(orbit, "elsewhere")
    done = orbit("collections", "rename", "handbook", "guide")
    assert "Collection handbook is now guide; 1 API keys follow." in done.stdout
    assert "still names handbook as the default collection" in done.stdout
    assert set(listed(orbit)) == {"guide"}
    assert (collection_of(orbit, key), collection_of(orbit, other)) == ("guide", "elsewhere")
    assert "There is no collection 'handbook'" in orbit("collections", "rename", "handbook", "third", code=1).stderr


def test_a_broken_renaming_is_completed(orbit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(orbit, "handbook")

    async def break_off(*_: object) -> int:
        raise RuntimeError("killed")

    follow = administration.Collections._follow
    monkeypatch.setattr(administration.Collections, "_follow", break_off)
    with pytest.raises(AssertionError):
        orbit("collections", "rename", "handbook", "guide")
    monkeypatch.setattr(administration.Collections, "_follow", follow)
    orbit("collections", "rename", "handbook", "guide")
    assert collection_of(orbit, key) == "guide"


@pytest.mark.parametrize("verb", ["rename", "copy"])
def test_names_that_are_taken_or_wrong_are_refused(orbit: Any, verb: str) -> None:
    orbit("collections", "copy", "handbook", "guide")
    assert "There is a collection 'guide' already." in orbit("collections", verb, "handbook", "guide", code=1).stderr
    for wrong in ("my guide", "guide.next", "guide.previous"):
        assert "cannot name a collection" in orbit("collections", verb, "handbook", wrong, code=1).stderr


def test_a_copy_answers_as_the_original(orbit: Any) -> None:
    moved = json.loads(orbit("collections", "copy", "handbook", "guide", "--json").stdout)
    assert (moved["collection"], moved["passages"]) == ("guide", 2)
    assert {name: one["passages"] for name, one in listed(orbit).items()} == {"guide": 2, "handbook": 2}
    orbit("collections", "drop", "handbook", "--yes")
    assert json.loads(orbit("collections", "show", "guide", "--json").stdout)["documents"] == 2


def test_a_collection_of_the_model_in_use_is_left_alone(orbit: Any) -> None:
    assert "has vectors of" in orbit("collections", "re-embed", "handbook").stdout
    assert set(listed(orbit)) == {"handbook"}


@pytest.mark.parametrize("config", [LARGE, LARGE_ALONE, SMALL], ids=["both", "earlier alone", "both, new in use"])
def test_another_embedding_model_is_one_command_and_nobody_waits(local: Any, place: Path, config: Any) -> None:
    """Servers answer before, meanwhile and after, whether they have the new model or not."""
    key = key_of(local, "handbook")
    with serve(config, place / "data") as server:
        assert ask(server, key["api_key"]).json()["sources"][0]["source"] == "ferries.txt"
        done = local("collections", "re-embed", "handbook", "--embedding", "small")
        assert "Collection handbook has vectors of wordllama/l2_supercat-64 now: 2 passages." in done.stdout
        assert "orbit collections drop handbook.previous" in done.stdout
        for _ in range(30):
            answer = ask(server, key["api_key"])
            assert answer.status_code == 200, answer.text
            assert answer.json()["sources"][0]["source"] == "ferries.txt"
    assert {name: one["dimension"] for name, one in listed(local).items()} == {"handbook": 64, "handbook.previous": 256}
    with serve(config, place / "data") as server:  # started again, perhaps too early
        assert ask(server, key["api_key"]).json()["sources"][0]["source"] == "ferries.txt"
    with serve(SMALL_ALONE, place / "data") as server:
        assert ask(server, key["api_key"]).json()["sources"][0]["source"] == "ferries.txt"
        small = runner("--config", "small.yaml")
        summary = json.loads(small("ingest", "docs", "--collection", "handbook", "--json").stdout)
        assert len(summary["unchanged"]) == 2, "nothing needs to be ingested again"
        small("collections", "drop", "handbook.previous", "--yes")
        assert ask(server, key["api_key"]).json()["sources"][0]["source"] == "ferries.txt"
    assert set(listed(local)) == {"handbook"}


def test_a_server_with_the_new_model_embeds_its_collections_itself(local: Any, place: Path) -> None:
    key = key_of(local, "handbook")
    config = {**SMALL_ALONE, "chroma": {**SMALL["chroma"], "collection": ""}}
    with serve(config, place / "data") as server:
        assert ask(server, key["api_key"]).status_code == 503
        runner("--url", server.url)("collections", "re-embed", "handbook")
        assert ask(server, key["api_key"]).json()["sources"][0]["source"] == "ferries.txt"


def test_a_copy_keeps_the_model_of_its_original(local: Any, place: Path) -> None:
    runner("--config", "small.yaml")("collections", "copy", "handbook", "guide")
    assert listed(local)["guide"]["dimension"] == 256


def test_a_full_text_index_follows_a_vector_store(place: Path) -> None:
    config = json.loads((place / "large.yaml").read_text()) | {"lexical": {}}
    (place / "both.yaml").write_text(json.dumps(config))
    run = runner("--config", "both.yaml")
    run("ingest", "docs", "--collection", "handbook")
    run("collections", "re-embed", "handbook", "--embedding", "small")
    run("collections", "copy", "handbook", "guide")
    run("collections", "rename", "handbook", "manual")
    for name in ("guide", "manual"):
        summary = json.loads(run("ingest", "docs", "--collection", name, "--json").stdout)
        assert len(summary["unchanged"]) == 2, "both stores agree"
    run("collections", "drop", "manual", "--yes")
    assert "manual" not in listed(run)


def test_there_and_back_again(local: Any) -> None:
    for embedding, dimension in (("small", 64), ("large", 256), ("small", 64)):
        local("collections", "re-embed", "handbook", "--embedding", embedding)
        assert listed(local)["handbook"]["dimension"] == dimension
    assert set(listed(local)) == {"handbook", "handbook.previous"}


@pytest.mark.parametrize("broken", ["copy", "drop", "rename"])
def test_embedding_again_goes_on_where_it_was_interrupted(
    local: Any, place: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    for number in range(30):
        (place / "docs" / f"{number}.txt").write_text(f"Note {number} about the harbour.")
    local("ingest", "docs", "--collection", "handbook")
    for embedding in ("small", "large"):  # so that there is an earlier handbook.previous
        local("collections", "re-embed", "handbook", "--embedding", embedding)
    embedded: list[str] = []
    embed = OrbitHost.embed

    async def counted(self: OrbitHost, texts: Any, *arguments: Any) -> Any:
        embedded.extend(texts)
        return await embed(self, texts, *arguments)

    async def killed(*_: Any, **__: Any) -> Any:
        raise RuntimeError("killed")

    from orbit_chroma import provider
    from orbit_chroma.passages import Passages

    monkeypatch.setattr(provider, "WRITE_SIZE", 10)
    monkeypatch.setattr(OrbitHost, "embed", counted)
    with monkeypatch.context() as patch:
        if broken == "copy":
            use, calls = Passages.use, []

            async def fails(self: Any, *arguments: Any, **options: Any) -> Any:
                calls.append(arguments)
                return await (use(self, *arguments, **options) if len(calls) < 2 else killed())

            patch.setattr(Passages, "use", fails)
        else:
            patch.setattr(OrbitHost, broken, killed)
        with pytest.raises(AssertionError):
            local("collections", "re-embed", "handbook", "--embedding", "small")
    done = local("collections", "re-embed", "handbook", "--embedding", "small")
    assert "32 passages" in done.stdout
    assert listed(local)["handbook"]["passages"] == 32
    assert set(listed(local)) == {"handbook", "handbook.previous"}
    assert len(embedded) <= 32 + 10, "only what was not written is embedded again"


def test_what_changes_nothing_in_a_server_is_refused(place: Path) -> None:
    run = runner("--url", "http://127.0.0.1:1")
    assert "--embedding changes nothing" in run("collections", "re-embed", "x", "--embedding", "small", code=2).stderr
    assert "cannot be reached" in run("collections", "list", code=3).stderr
