"""Calls the hooks ``read`` and ``split`` of plugins, and checks what they return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orbit.documents.reading.readers import Reader
from orbit.host.calls.calls import is_list_of, wrong_type
from orbit.host.documents.file_plugins import Hooks
from orbit.types import CallContext, Content, Section, SourceFile


def plugin_readers(hooks: Hooks | None, context: CallContext) -> Mapping[str, Reader]:
    """Return the readers of plugins by extension."""
    if hooks is None:
        return {}
    return {ending: _reader(call, context) for ending, call in hooks.readers.items()}


def sections_of(value: Any) -> list[Section]:
    """Return the sections that ``split`` returned. Raises ProviderError if they are something else."""
    if not is_list_of(value, Section):
        raise wrong_type("", "split", "a list of Sections", value)
    return list(value)


def _reader(call: Any, context: CallContext) -> Reader:
    def read(file: SourceFile) -> Content:
        value = call(file=file, context=context)
        if not isinstance(value, Content):
            raise wrong_type("", "read", "Content", value)
        return value

    return read
