"""``answers.verify`` in a served configuration: what clients read, streamed and whole, and what the log has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit import Chunk, Document, Provider, hookimpl
from orbit.testing import serve

PASSAGE = "The ferry takes forty minutes. Tickets cost 7.50 EUR. The captain is Ann Miller."
GOOD = "It takes 40 minutes [1]. Ann Miller is the captain."
BAD = "It takes 40 minutes [1]. A ticket costs 9 EUR, says Bob Brown. Have a good trip."


class Shelf(Provider):
    """Finds the passage, unless the question asks for nothing."""

    @hookimpl
    async def retrieve(self, query: Any) -> list[Document]:
        return [] if "nothing" in query.text else [Document("1", PASSAGE, "ferry.md", "Ferry")]


class Says(Provider):
    """Answers with what the question quotes, in small pieces."""

    @hookimpl
    async def generate(self, messages: Any) -> AsyncIterator[Chunk]:
        text = BAD if "bad" in messages[-1].content.rsplit("\n", 1)[-1] else GOOD
        for start in range(0, len(text), 7):
            yield Chunk(text[start : start + 7])
        yield Chunk(finish_reason="stop")


MARK = "\n\nPlease check: the documents do not mention 9, Bob Brown."
WITHHELD = "I cannot confirm the rest of this answer from the documents."


@pytest.mark.parametrize(
    ("verify", "question", "expected"),
    [
        ("off", "bad?", BAD),
        ("mark", "bad?", BAD + MARK),
        ("mark", "good?", GOOD),
        ("withhold", "bad?", f"It takes 40 minutes [1].\n\n{WITHHELD}"),
        ("withhold", "good?", GOOD),
        ("withhold", "bad? Bob Brown said 9 EUR", BAD),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_client_reads(verify: str, question: str, expected: str, tmp_path: Path, *, stream: bool) -> None:
    config = {
        "says": {},
        "shelf": {},
        "answers": {"verify": verify},
        "logging": {"file": {"enabled": True, "directory": str(tmp_path / "logs")}},
    }
    with serve(config, tmp_path, {"says": Says, "shelf": Shelf}) as server:
        reply = httpx.post(
            f"{server.url}/chat",
            json={"message": question, "stream": stream},
            headers={"X-API-Key": server.key},
        )
    if stream:
        frames = [json.loads(line[6:]) for line in reply.text.splitlines() if line.startswith("data: {")]
        text = "".join(frame.get("response", "") or frame.get("text", "") for frame in frames)
    else:
        text = reply.json()["response"]
    assert text == expected
    (line,) = [line for path in (tmp_path / "logs").glob("*.log") for line in path.read_text().splitlines()]
    record = json.loads(line)
    assert record["response"] == text
    bad = "bad" in question and "Bob" not in question and verify != "off"
    assert record["reason"] == ("in no passage: 9, Bob Brown" if bad else "")
    assert record["blocked"] is (bad and verify == "withhold")


def test_answers_without_passages_are_not_checked(tmp_path: Path) -> None:
    config = {
        "says": {},
        "shelf": {},
        "answers": {"verify": "withhold"},
        "retrieval": {"on_nothing_found": "answer_without"},
    }
    with serve(config, tmp_path, {"says": Says, "shelf": Shelf}) as server:
        reply = httpx.post(
            f"{server.url}/chat",
            json={"message": "bad, about nothing?", "stream": False},
            headers={"X-API-Key": server.key},
        )
    assert reply.json()["response"] == BAD
