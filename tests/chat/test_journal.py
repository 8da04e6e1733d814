"""The record of a turn follows from its outcome; the notes only fill it."""

import time

import pytest

from orbit import CallContext, Document, Usage
from orbit.chat.journal import Journal
from orbit.chat.outcome import CANCELLED, Answered, Failed, NothingFound, Outcome, Refused
from orbit.chat.turn import Turn, TurnTimeout
from orbit.errors import ProviderError
from orbit.types import SourceRef, ToolCall, ToolUse

CONTEXT = CallContext("r", "id", "hint", "client", "books", "session", "127.0.0.1")
TURN = Turn("When?", CONTEXT, prompt_id="p", prompt_version="2")


@pytest.mark.parametrize(
    ("outcome", "status", "reason", "blocked"),
    [
        (Answered(), "ok", "", False),
        (NothingFound("Nothing."), "ok", "nothing found", False),
        (Refused("No.", reason="rude"), "blocked", "rude", True),
        (CANCELLED, "cancelled", "", False),
        (
            Failed(ProviderError("it is away.", kind="unavailable", provider="p", operation="generate")),
            "provider_unavailable",
            "p could not generate: it is away.",
            False,
        ),
        (Failed(TurnTimeout()), "turn_timeout", "The answer took longer than the server allows.", False),
        (Failed(KeyError("secret")), "internal_error", "KeyError", False),
    ],
)
def test_the_status_follows_from_the_outcome(*, outcome: Outcome, status: str, reason: str, blocked: bool) -> None:
    record = Journal(TURN).record(outcome)
    assert (record.status, record.reason, record.blocked) == (status, reason, blocked)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Answered(), "retrieval failed"),
        (CANCELLED, "retrieval failed"),
        (Refused(reason="rude"), "rude"),
        (Failed(KeyError()), "KeyError"),
    ],
)
def test_an_answer_without_its_documents_says_so(outcome: Outcome, reason: str) -> None:
    journal = Journal(TURN)
    journal.without_documents = True
    assert journal.record(outcome).reason == reason


def test_a_record_has_all_that_was_noted() -> None:
    before = time.time()
    journal = Journal(TURN)
    journal.text += ["At ", "nine."]
    journal.documents = (Document("1", "text", source="a.md", score=0.5, metadata={"page": 2, "author": "Ada"}),)
    journal.usage = Usage(3, 4)
    journal.provider, journal.model = "ollama", "small"
    journal.took("generate", time.perf_counter() - 2)
    record = journal.record(Answered())
    assert before <= record.timestamp <= time.time()
    assert (record.query, record.response, record.backend, record.model) == ("When?", "At nine.", "ollama", "small")
    assert (record.request_id, record.key_id, record.key_hint, record.client_name) == ("r", "id", "hint", "client")
    assert (record.collection, record.session_id, record.client_ip) == ("books", "session", "127.0.0.1")
    assert (record.prompt_id, record.prompt_version) == ("p", "2")
    assert record.sources == (SourceRef("1", "a.md", 0.5, {"page": 2}),)
    assert (record.prompt_tokens, record.completion_tokens) == (3, 4)
    assert 2 <= record.durations["generate"] < 60
    assert 0 <= record.durations["total"] < 60
    assert record.durations["generate"] == round(record.durations["generate"], 6)


def test_a_record_names_the_tools_and_the_task() -> None:
    journal = Journal(Turn("When?", CONTEXT, task="title"))
    call, use = ToolCall("1", "clock", "{}"), ToolUse("2", "own", "{}")
    journal.tries, journal.tool_calls = 2, (call,)
    journal.tool_uses.append(use)
    record = journal.record(Answered())
    assert (record.tries, record.tool_calls, record.tool_uses, record.task) == (2, (call,), (use,), "title")


def test_a_turn_that_asked_no_model_leaves_its_fields_empty() -> None:
    record = Journal(TURN).record(Refused("No."))
    assert (record.backend, record.model, record.tries) == ("", "", 0)
    assert (record.tool_calls, record.tool_uses, record.task) == ((), (), "")
