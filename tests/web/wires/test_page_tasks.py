"""Requests for a client's own page, over every chat route."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from tools_model import ToolsModel

from orbit.testing import serve
from orbit.web.wires.page_tasks import task_of

MESSAGES = [{"role": "user", "content": "### Task: Write a title."}]
REQUESTS: dict[str, dict[str, Any]] = {
    "/chat": {"message": "Write a title.", "stream": False},
    "/v1/chat/completions": {"messages": MESSAGES},
    "/v1/responses": {"input": MESSAGES},
    "/v1/completions": {"prompt": "Write a title."},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 9},
}


@pytest.mark.parametrize("path", REQUESTS)
def test_a_task_searches_no_documents_and_is_marked(tmp_path: Path, path: str) -> None:
    config: dict[str, Any] = {"tools_model": {}, "shelf": {}, "diary": {}}
    with serve(config, tmp_path, {"tools_model": ToolsModel}) as server:

        def ask(model: str, **headers: str) -> None:
            key = {"Authorization": f"Bearer {server.key}", "X-API-Key": server.key}
            body = {"model": model, **REQUESTS[path]}
            assert httpx.post(f"{server.url}{path}", headers={**key, **headers}, json=body).status_code == 200

        ask("orbit", **{"X-OpenWebUI-Task": "title_generation"})
        ask("orbit-task")
        ask("orbit", **{"X-OpenWebUI-Task": "{{TASK}}"})
        prompts = [messages[-1].content for messages, _ in server.provider("tools_model").seen]
    # The server has stopped, so the log has all records.
    records = server.provider("diary").records
    assert [record.task for record in records] == ["title_generation", "task", ""]
    assert [bool(record.sources) for record in records] == [False, False, True]
    assert ["the passage" in prompt for prompt in prompts] == [False, False, True]


@pytest.mark.parametrize("task", ["tags_generation", "x"])
def test_the_header_names_the_task(task: str) -> None:
    scope: Any = {"headers": [(b"x-openwebui-task", task.encode())], "state": {}}
    assert task_of(scope, "orbit") == task_of(scope, "orbit-task") == task


@pytest.mark.parametrize("value", ["", "None", "{{TASK}}", "two words", "x" * 65])
def test_a_header_without_a_task(value: str) -> None:
    scope: Any = {"headers": [(b"x-openwebui-task", value.encode())], "state": {}}
    assert task_of(scope, "orbit") == ""
    assert task_of(scope, "orbit-task") == "task"
