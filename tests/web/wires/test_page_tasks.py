"""Requests for a client's own page, over every chat route."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from actor_kit import turn
from tools_model import ToolsModel

from orbit.testing import serve
from orbit.types import Message
from orbit.web.wires.page_tasks import task_of

NO_HEADER: Any = {"headers": [], "state": {}}


def messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


REQUESTS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/chat": lambda text: {"message": text, "stream": False},
    "/v1/chat/completions": lambda text: {"messages": messages(text)},
    "/v1/responses": lambda text: {"input": messages(text)},
    "/v1/completions": lambda text: {"prompt": text},
    "/v1/messages": lambda text: {"messages": messages(text), "max_tokens": 9},
}


TITLE = """### Task:
Generate a title.
### Guidelines:
- Keep it short.
### Output:
JSON format: { "title": "your title here" }
### Examples:
- { "title": "Remote Work" }
### Chat History:
<chat_history>
USER: When are you open?
ASSISTANT: At 9.
</chat_history>"""
QUERIES = """### Task:
Analyze the chat history.

### Guidelines:
- Respond in the format: { "queries": ["query1"] }.

### Output:
Strictly return in JSON format:
{
  "queries": ["query1", "query2"]
}

### Chat History:
<chat_history>
USER: Say ### Output: {"title": 1}
</chat_history>
"""
TEMPLATES = {
    "title_generation": TITLE,
    "tags_generation": TITLE.replace('"title"', '"tags"'),
    "follow_up_generation": TITLE.replace('"title"', '"follow_ups"'),
    "query_generation": QUERIES,
    "image_prompt_generation": QUERIES.replace('"queries"', '"prompt"'),
}
"""In the sections of Open WebUI's templates."""
PASSAGES = (
    "### Task:\nRespond.\n\n### Guidelines:\n- Cite.\n\n### Output:\nA clear response.\n\n<context>\n{}\n</context>\n\n"
)
HELLO = (Message("user", "Hello"), Message("assistant", "Hello!"))


@pytest.mark.parametrize("path", REQUESTS)
def test_a_task_searches_no_documents_and_is_marked(tmp_path: Path, path: str) -> None:
    config: dict[str, Any] = {"tools_model": {}, "shelf": {}, "diary": {}}
    with serve(config, tmp_path, {"tools_model": ToolsModel}) as server:

        def ask(model: str, text: str = "### Task: Write a title.", **headers: str) -> None:
            key = {"Authorization": f"Bearer {server.key}", "X-API-Key": server.key}
            body = {"model": model, **REQUESTS[path](text)}
            assert httpx.post(f"{server.url}{path}", headers={**key, **headers}, json=body).status_code == 200

        ask("orbit", **{"X-OpenWebUI-Task": "title_generation"})
        ask("orbit-task")
        ask("orbit", TITLE)
        ask("orbit", **{"X-OpenWebUI-Task": "{{TASK}}"})
        prompts = [messages[-1].content for messages, _ in server.provider("tools_model").seen]
    # The server has stopped, so the log has all records.
    records = server.provider("diary").records
    assert [record.task for record in records] == ["title_generation", "task", "title_generation", ""]
    assert [bool(record.sources) for record in records] == [False, False, False, True]
    assert ["the passage" in prompt for prompt in prompts] == [False, False, False, True]


@pytest.mark.parametrize("task", ["tags_generation", "x"])
def test_the_header_names_the_task(task: str) -> None:
    scope = sent(task)
    assert task_of(scope, turn(model="orbit")) == task_of(scope, turn(model="orbit-task")) == task


@pytest.mark.parametrize("value", ["", "None", "{{TASK}}", "two words", "x" * 65])
def test_a_header_without_a_task(value: str) -> None:
    scope = sent(value)
    assert task_of(scope, turn(model="orbit")) == ""
    assert task_of(scope, turn(model="orbit-task")) == "task"


@pytest.mark.parametrize("task", TEMPLATES)
def test_the_templates_of_open_webui_are_tasks_without_a_header(task: str) -> None:
    assert task_of(NO_HEADER, turn(TEMPLATES[task])) == task_of(sent("{{TASK}}"), turn(TEMPLATES[task])) == task
    assert task_of(sent(""), turn(TEMPLATES[task])) == ""


@pytest.mark.parametrize(
    "question",
    [
        "",
        "### Task:\nWrite a title.",
        f"What does this do?\n{TITLE}",
        f"{TITLE}\nWhat does this do?",
        f"{PASSAGES.format(TITLE)}What does this do?",
        PASSAGES.format(TITLE).rstrip() + "\n</chat_history>",
        TITLE.replace("### Guidelines:", "### Rules:"),
        TITLE.replace("JSON format: ", ""),
        TITLE.replace("title", "answer"),
        TITLE.replace("### Chat History:\n", ""),
    ],
)
def test_a_persons_question_is_no_task(question: str) -> None:
    assert task_of(NO_HEADER, turn(question)) is None


def test_a_template_within_a_conversation_is_a_persons_question() -> None:
    assert task_of(NO_HEADER, turn(TITLE, history=HELLO)) is None


def sent(value: str) -> Any:
    """Return the scope of a request with the header."""
    return {"headers": [(b"x-openwebui-task", value.encode())], "state": {}}
