"""How often a failed question of the ``openai`` package, with its own retries, reaches the model's server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from flaky import Flaky

from orbit.testing import RunningServer, serve

sys.path += [str(Path(__file__).parents[1] / "wires" / folder) for folder in ("", "ollama", "openai")]

from ollama_wire import Fault as OllamaFault  # found by the line above
from ollama_wire import OllamaWire
from openai_wire import Fault, OpenAIWire
from wire_kit import served_in_thread


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[OpenAIWire, RunningServer]]:
    """A server with its whole budget of retries, behind ``orbit_openai``, with the plugin's own retries, soon."""
    with served_in_thread(OpenAIWire()) as wire:
        config = {"openai": {"base_url": wire.url, "model": "llama", "retry_delay": 0.01}}
        with serve(config, tmp_path) as server:
            yield wire, server


def ask(server: RunningServer, question: str = "hello", **options: Any) -> Any:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key) as api:
        return api.chat.completions.create(model="orbit", messages=[{"role": "user", "content": question}], **options)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "error", "attempts"),
    [
        (Fault("status", status=502), openai.InternalServerError, 3),
        (Fault("status", status=503, error="busy"), openai.InternalServerError, 3),
        (Fault("die"), openai.InternalServerError, 3),
        (Fault("status", status=401, error="Incorrect API key provided"), openai.InternalServerError, 1),
        (Fault("status", status=404, error="The model `llama` does not exist"), openai.InternalServerError, 1),
    ],
)
def test_one_question_is_one_chain(
    behind: tuple[OpenAIWire, RunningServer],
    fault: Fault,
    error: type[openai.APIStatusError],
    attempts: int,
    *,
    stream: bool,
) -> None:
    wire, server = behind
    wire.faults.clear()
    wire.faults.extend([fault] * 20)
    before = len(wire.asked())
    with pytest.raises(error) as raised:
        ask(server, stream=stream)
    wire.faults.clear()
    assert len(wire.asked()) - before == attempts
    headers = raised.value.response.headers
    assert headers["x-should-retry"] == "false"
    assert ("retry-after" in headers) == (attempts > 1)
    assert ask(server).choices[0].message.content == "hello"


def test_one_question_is_one_chain_at_ollama(tmp_path: Path) -> None:
    with served_in_thread(OllamaWire()) as wire:
        wire.faults.extend([OllamaFault("status", status=503)] * 20)
        config = {"ollama": {"base_url": wire.url, "model": "llama3.2", "retry_delay": 0.01}}
        with serve(config, tmp_path) as server, pytest.raises(openai.InternalServerError) as raised:
            ask(server)
    assert len([request for request in wire.requests if request.path == "/api/chat"]) == 3
    assert raised.value.response.headers["x-should-retry"] == "false"


def test_a_wait_that_a_server_asks_for_is_told(tmp_path: Path) -> None:
    with served_in_thread(OpenAIWire()) as wire:
        wire.faults.append(Fault("status", status=429, error="slow down", headers=(("Retry-After", "86400"),)))
        told = pytest.raises(openai.InternalServerError, match=r"The model is busy\. Try again in 86400 s\.")
        with serve({"openai": {"base_url": wire.url, "model": "llama"}}, tmp_path) as server, told as raised:
            ask(server)
    assert raised.value.response.headers["retry-after"] == "86400"


def test_a_provider_that_does_not_retry_leaves_it_to_the_client(tmp_path: Path) -> None:
    with serve({"flaky": {}}, tmp_path, {"flaky": Flaky}) as server:
        assert ask(server, "fail once").choices[0].message.content == "one two three"
        assert server.provider("flaky").failed == 1
