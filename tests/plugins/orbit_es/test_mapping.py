"""The index template knows what the chat log writes: a field that it leaves out can be neither searched nor counted."""

from __future__ import annotations

from typing import Any

import pytest
from orbit_es.documents import index_template

from orbit import ChatRecord, SourceRef, ToolCall, ToolUse

UNSEARCHED = {"location"}
"""Its fields differ from file to file."""


@pytest.mark.parametrize(
    ("path", "kind"), [("", ChatRecord), ("sources", SourceRef), ("tool_calls", ToolCall), ("tool_uses", ToolUse)]
)
def test_every_field_of_a_record_is_mapped(path: str, kind: Any) -> None:
    mappings: Any = index_template("chats", daily=False, retention_days=0)["template"]["mappings"]
    known = mappings["properties"][path]["properties"] if path else mappings["properties"]
    assert set(kind.__struct_fields__) - UNSEARCHED <= set(known)
    assert all(field.get("type") or field.get("properties") for field in known.values())
