"""Inputs that stress a provider: odd characters, huge texts, whole conversations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from orbit import ChatRecord, Document, GenerateOptions, Message, Query, ToolCall

UNICODE: Final = (
    "Grüße, 漢字, \u05d0\u05d1\u05d2, \U0001f600, \U0001f1e9\U0001f1ea, e\u0301, \U0001f469\u200d\U0001f52c."
)
"""UTF-8 characters of one to four bytes, right-to-left text, and combined characters."""

HUGE: Final = "All work and no play makes a dull boy. " * 4000
"""Far more text than most models can read: 156,000 characters."""

TALK: Final = (
    Message("system", "Speak like a heron."),
    Message("user", "Who sells plums?"),
    Message("assistant", "The miller does."),
    Message("user", "And cherries?"),
)
"""A conversation with every role. Its words are rare, so that a test can find them in what a service received."""

PARTS_OF_TALK: Final = ("system prompt", "earlier question", "earlier answer", "question")
"""Descriptions of the messages of ``TALK``."""


def longer_talks() -> Iterator[tuple[str, list[Message]]]:
    """Yield, for each message of ``TALK``, its description and the conversation with this message made longer."""
    for number, part in enumerate(PARTS_OF_TALK):
        longer = msgspec.structs.replace(TALK[number], content=f"{TALK[number].content} " * 3)
        yield part, [*TALK[:number], longer, *TALK[number + 1 :]]


ARGUMENTS: Final[dict[str, dict[str, Any]]] = {
    "generate": {"messages": [Message("user", "How is tea made?")], "options": GenerateOptions()},
    "models": {},
    "count_tokens": {"messages": [Message("user", "How is tea made?")], "options": GenerateOptions()},
    "embed": {"texts": ["How is tea made?"], "kind": "query"},
    "embed_tokens": {"tokens": [[1, 2, 3]]},
    "retrieve": {"query": Query("How is tea made?", "contract"), "limit": 3},
    "index": {"collection": "contract", "documents": [Document("tea-1", "Tea is steeped.", "tea.md", digest="1")]},
    "list_sources": {"collection": "contract"},
    "list_passages": {"collection": "contract", "sources": ["tea.md"]},
    "list_collections": {},
    "copy": {"collection": "contract", "target": "contract-copy", "embedding": ""},
    "rename": {"collection": "contract-copy", "new_name": "contract-renamed"},
    "forget": {"collection": "contract", "sources": ["tea.md"]},
    "drop": {"collection": "contract"},
    "adopt": {"collection": "contract-absent"},
    "rerank": {"query": Query("How is tea made?"), "documents": [Document("tea-1", "Tea is steeped.")], "limit": 3},
    "moderate": {"stage": "input", "messages": [Message("user", "How is tea made?")]},
    "tools": {},
    "call_tool": {"call": ToolCall("call_1", "contract", "{}")},
    "log": {"record": ChatRecord(timestamp=1.8e9, request_id="contract", query="How?", response="So.")},
}
"""Sample arguments for each hook, without ``context``. The order works for a store: ``index`` comes before ``drop``."""
