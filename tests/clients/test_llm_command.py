"""``/v1`` as the ``llm`` command speaks it, with a model entry as its documentation describes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flaky import Flaky

from orbit.testing import RunningServer, serve

LLM = str(Path(sys.executable).with_name("llm"))
Ask = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    config: dict[str, Any] = {"flaky": {}, "general": {"default_system_prompt": "Be kind."}}
    with serve(config, tmp_path / "data", {"flaky": Flaky}) as server:
        yield server


@pytest.fixture
def llm(server: RunningServer, tmp_path: Path) -> Ask:
    home = tmp_path / "llm"
    home.mkdir()
    (home / "extra-openai-models.yaml").write_text(
        f"- model_id: orbit\n  model_name: orbit\n  api_base: {server.url}/v1\n  api_key_name: orbit\n"
    )
    (home / "keys.json").write_text(json.dumps({"orbit": server.key}))
    environment = {**os.environ, "LLM_USER_PATH": str(home), "LLM_LOAD_PLUGINS": ""}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LLM, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False, input=""
        )

    return run


def test_a_conversation(server: RunningServer, llm: Ask) -> None:
    first = llm("-m", "orbit", "-s", "Be brief.", "hello")
    second = llm("-m", "orbit", "--no-stream", "-c", "and again?")
    seen = [[(message.role, message.content) for message in messages] for messages in server.provider("flaky").seen]
    assert (first.stdout.strip(), second.stdout.strip()) == ("one two three", "one two three"), first.stderr
    assert seen[0] == [("system", "Be kind.\n\nBe brief."), ("user", "hello")]
    assert seen[1][-3:] == [("user", "hello"), ("assistant", "one two three"), ("user", "and again?")]


def test_what_goes_wrong_is_told(llm: Ask) -> None:
    wrong = llm("-m", "orbit", "--key", "wrong", "hello")
    refused = llm("-m", "orbit", "-o", "logit_bias", '{"5": 1}', "hello")
    once = llm("-m", "orbit", "fail once")  # the client tries again by itself
    assert wrong.returncode != 0
    assert "A valid API key is required" in wrong.stderr
    assert "'logit_bias' is not supported" in refused.stderr
    assert once.stdout.strip() == "one two three"
