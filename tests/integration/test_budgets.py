"""A server that is killed keeps what its turns have cost, except for those that were running."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from serve_kit import ORBIT, served

pytestmark = pytest.mark.processes

CONFIG = "script: {words: -1, delay: 0.01}\n"
MESSAGES = [{"role": "user", "content": "hello"}]


def test_a_killed_server_loses_the_tokens_of_running_turns_only(tmp_path: Path) -> None:
    database = tmp_path / "orbit.db"
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with served(folders[0], CONFIG, database=database) as server:

        def keys(*arguments: str) -> Any:
            command = [ORBIT, "keys", *arguments, "--json", "--config", str(folders[0] / "config.yaml")]
            done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True)
            return json.loads(done.stdout)

        made = keys("create", "--name", "client", "--requests-per-month", "5", "--tokens-per-month", "1000000")
        headers = {"X-API-Key": made["api_key"]}

        def ask(url: str) -> httpx.Response:
            body = {"model": "script", "max_tokens": 2, "messages": MESSAGES}
            return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)

        def used() -> dict[str, int]:
            return {budget["name"]: budget["used"] for budget in keys("status", made["id"])["budgets"]}

        answers = [ask(server.url).json()["usage"]["total_tokens"] for _ in range(3)]
        with httpx.stream(
            "POST", f"{server.url}/chat", json={"message": "hello"}, headers=headers, timeout=60
        ) as running:
            next(running.iter_lines())
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        assert used() == {"requests_per_month": 4, "tokens_per_month": sum(answers)}
    with served(folders[1], CONFIG, database=database) as again:
        assert [ask(again.url).status_code for _ in range(3)] == [200, 429, 429]
        assert used() == {"requests_per_month": 5, "tokens_per_month": sum(answers) // 3 * 4}
