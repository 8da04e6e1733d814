"""The scripts of the earlier ORBIT do their job with today's commands, which they print."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orbit.testing import serve

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, timeout=60
    )


def test_keys_and_prompts_are_managed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "the-administrators-own-token"
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token)
    monkeypatch.delenv("ORBIT_URL", raising=False)
    with serve({"echo": {}}, tmp_path) as server:
        prompt = tmp_path / "guide.txt"
        prompt.write_text("Be kind.")
        made = run(
            "api_key_manager", "--url", server.url, "create", "--collection", "town", "--name", "Portal",
            "--prompt-name", "guide", "--prompt-file", str(prompt), API_ADMIN_TOKEN=token,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        assert f"This is now: orbit keys create --url {server.url} --collection town" in made.stderr
        listed = run("api_key_manager", "list", API_SERVER_URL=server.url, API_ADMIN_TOKEN=token)
        assert "Portal" in listed.stdout
        prompts = run("api_key_manager", "--url", server.url, "prompt", "list", API_ADMIN_TOKEN=token)
        assert "guide" in prompts.stdout
        works = run("api_key_manager", "--url", server.url, "test", "--key", server.key, API_ADMIN_TOKEN=token)
        assert works.returncode == 0
        run("api_key_manager", "--url", server.url, "deactivate", "--key", server.key, API_ADMIN_TOKEN=token)
        dead = run("api_key_manager", "--url", server.url, "test", "--key", server.key, API_ADMIN_TOKEN=token)
        assert dead.returncode == 4


def test_the_download_is_a_command_of_the_plugin() -> None:
    done = run("download_hugging_face_gguf_model", "--repo-id", "a/b", "--output-dir", "models", "--help")
    assert done.returncode == 0
    assert "This is now: orbit llama_cpp pull --repo-id a/b --folder models --help" in done.stderr
    assert "--folder DIRECTORY" in done.stdout
