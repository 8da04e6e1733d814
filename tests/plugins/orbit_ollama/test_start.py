"""Starting: is the server there, has it the models, and what an operator reads if not."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys

import msgspec
import pytest
from ollama_kit import ANYTHING, Start, ask, command, text
from ollama_wire import OllamaWire
from orbit_ollama import OllamaProvider, OllamaSettings

from orbit import CallContext, ConfigError, Message, ProviderError


async def test_a_missing_model_is_refused_with_the_line_that_gets_it(start: Start) -> None:
    async with OllamaWire(models=["llama3.2"]) as wire:
        with pytest.raises(ConfigError, match=r"'nomic-embed-text'.*ollama pull nomic-embed-text.*ollama\.pull: true"):
            await start(base_url=wire.url)


async def test_missing_models_are_pulled_when_told_so(
    start: Start, context: CallContext, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "orbit.ollama")
    async with OllamaWire(models=["llama3.2"]) as wire:
        provider = await start(base_url=wire.url, model="gemma3:1b", pull=True)

        assert wire.pulled == ["gemma3:1b", "nomic-embed-text"]
        assert text(await ask(provider, context)) == "one two three"
    assert "Pulled gemma3:1b" in caplog.text
    assert "50 %" in caplog.text


async def test_a_model_that_cannot_be_pulled_is_an_error(start: Start) -> None:
    async with OllamaWire() as wire:
        with pytest.raises(ProviderError, match="file does not exist"):
            await start(base_url=wire.url, model="unknown:1b", pull=True)


async def test_an_absent_server_is_refused_with_what_to_do(wire: OllamaWire, start: Start) -> None:
    await wire.stop()

    with pytest.raises(ProviderError, match=r"cannot be reached.*ollama serve.*base_url"):
        await start(base_url=wire.url)


async def test_what_is_no_ollama_is_told_apart(start: Start) -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<html></>")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ProviderError, match="Is base_url an Ollama server"):
            await start(base_url=f"http://127.0.0.1:{port}")


async def test_the_window_is_what_the_model_was_trained_for(
    start: Start, context: CallContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with OllamaWire(trained_context=512) as wire:
        provider = await start(base_url=wire.url, num_ctx=8192)

        count = await provider.count_tokens((Message("user", "How are you?"),), ANYTHING)

    assert count.window == 512
    assert 4 < count.prompt < 40
    assert "at most 512 tokens" in caplog.text


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "set `model`"),
        ({"model": "m", "base_url": "localhost:11434"}, "http://HOST:PORT"),
        ({"model": "m", "base_url": []}, "no server"),
    ],
)
def test_settings_without_sense_are_told(settings: dict[str, object], sentence: str) -> None:
    own = msgspec.convert(settings, OllamaSettings)
    provider = OllamaProvider("ollama", own, host=None)  # type: ignore[arg-type]  # it asks nothing of its host

    assert sentence in " ".join(provider.validate())


def test_sections_of_earlier_versions_load() -> None:
    section = {
        "base_url": "http://localhost:11434",
        "temperature": 0.01,
        "top_p": 0.8,
        "top_k": 20,
        "repeat_penalty": 1.2,
        "num_predict": 1024,
        "num_ctx": 8192,
        "num_threads": 8,
        "model": "chatbot",
        "embed_model": "nomic-embed-text",
        "default_system_prompt": "You are kind.",
        "max_response_length": 200,
        "stream": True,
    }
    assert msgspec.convert(section, OllamaSettings).num_ctx == 8192


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    code = "import json, sys, orbit_ollama; print(json.dumps(sorted(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)

    assert not {"ollama", "httpx", "aiohttp", "pydantic", "numpy", "click", "rich", "litestar"} & set(modules)


async def test_the_models_command_lists_and_marks(wire: OllamaWire) -> None:
    code, output = await command(wire, "models")

    assert code == 0
    assert wire.url in output
    assert any(line.split()[0] == "llama3.2:latest" and line.endswith(" model") for line in output.splitlines()[1:])
    assert "2.0 GB" in output
    assert "missing: gone; ollama pull gone" in output


async def test_the_models_command_fails_without_a_server(wire: OllamaWire) -> None:
    await wire.stop()

    code, output = await command(wire, "models")

    assert code == 1
    assert "cannot be reached" in output


async def test_the_pull_command_gets_what_is_missing(wire: OllamaWire) -> None:
    code, output = await command(wire, "pull")

    assert code == 0
    assert wire.pulled == ["gone"]
    assert f"{wire.url} has gone" in output
    assert (await command(wire, "pull"))[1].endswith("has all models of the configuration\n")
