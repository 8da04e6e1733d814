"""Every YAML block of the pages is served and asked: the instance that it means answers, embeds, judges, logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from world import DEFAULT_URLS, World, completed, expect, fenced

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("plugins/*/README.md"))]
BLOCKS = {f"{page.relative_to(ROOT)}:{line}": text for page in PAGES for line, text in fenced(page.read_text("utf-8"))}

NOT_SERVED = {
    ("docs/configuration.md", "max_concurrent: many"): "shows mistakes, and what orbit check says of them",
    ("docs/deployment.md", "replicas: 2"): "configures another program, Helm",
    ("docs/openai-api.md", "model_id: orbit"): "configures another program, llm",
    ("docs/operations.md", "scrape_configs"): "configures another program, Prometheus",
}
"""Blocks that are no configurations of ORBIT, or no right ones: page, words in the block, reason."""


def excused(where: str, text: str) -> bool:
    return any(where.startswith(page) and words in text for page, words in NOT_SERVED)


def test_every_excuse_is_needed() -> None:
    for page, words in NOT_SERVED:
        assert sum(where.startswith(page) and words in text for where, text in BLOCKS.items()) == 1, words


def test_blocks_are_found() -> None:
    """An indented block, or one under another name, would not be served."""
    told = sum(len(re.findall(r"```\s*ya?ml", page.read_text("utf-8"), re.IGNORECASE)) for page in PAGES)
    assert told == len(BLOCKS) >= 32


@pytest.mark.usefixtures("examples")
@pytest.mark.parametrize("where", [where for where, text in BLOCKS.items() if not excused(where, text)])
def test_a_block_is_served_as_it_is_meant(where: str, world: World) -> None:
    from orbit_hello import Hello
    from orbit_markdown import Markdown

    config = completed(world.parse(BLOCKS[where]))
    world.tiny = "llama_cpp" not in where.replace("llamacpp", "llama_cpp")
    try:
        expect(world.ask(config, {"hello": Hello, "markdown": Markdown}), config)
    finally:
        world.tiny = True


EXAMPLE = (ROOT / "config.yaml.example").read_text("utf-8")
OFF = re.findall(r"^# (\w+):$", EXAMPLE, re.MULTILINE)


def switched_on(world: World, *names: str) -> dict[str, Any]:
    """The example with some of its sections switched on."""
    text = re.sub(r"^#( |$)", "", EXAMPLE, flags=re.MULTILINE)
    config = world.parse(text)
    config["web"]["start"] = ["https://www.example.org/"]  # the only setting without which a section cannot work
    return {name: values for name, values in config.items() if name not in OFF or name in names}


def test_the_example_is_served(world: World) -> None:
    config = world.parse(EXAMPLE)
    world.tiny = False
    try:
        expect(world.ask(config), config)
    finally:
        world.tiny = True


@pytest.mark.parametrize("name", OFF)
def test_the_example_with_one_more_section(name: str, world: World) -> None:
    config = switched_on(world, name, *(["ollama"] if name == "models" else []))  # its example names ollama
    if name == "models":
        config["ollama"]["model"] = "answers"
        config["general"]["inference_provider"] = "ollama"
    if name == "extract":
        config["general"]["inference_provider"] = name
    if name in DEFAULT_URLS:
        config[name]["model"] = "answers"
        config["general"]["inference_provider"] = name
    world.tiny = name != "safety"  # its instructions are longer than the window of a tiny model
    try:
        expect(world.ask(config), config)
    finally:
        world.tiny = True


@pytest.mark.parametrize("name", ["ollama", "openai"])
@pytest.mark.parametrize("embeds", ["wordllama", "it"])
@pytest.mark.parametrize("answers", ["llama_cpp", "it"])
def test_the_example_with_a_model_server(name: str, embeds: str, answers: str, world: World) -> None:
    config = switched_on(world, name)
    config[name] |= {"embed_model": "embeds"} | ({"model": "answers"} if answers == "it" else {})
    config["general"] |= {
        "embedding_provider": name if embeds == "it" else embeds,
        "inference_provider": name if answers == "it" else answers,
    }
    expect(world.ask(config), config)


def test_the_example_with_everything(world: World) -> None:
    config = switched_on(world, *OFF)
    config["ollama"]["model"] = "small"
    config["anthropic"]["model"] = "clever"
    config["openai"] |= {"model": "large", "embed_model": "vectors"}
    config["general"] |= {"inference_provider": "openai", "embedding_provider": "wordllama"}
    config["models"]["fast"]["provider"] = "openai"
    config["safety"]["provider"] = "ollama"
    expect(world.ask(config), config)
