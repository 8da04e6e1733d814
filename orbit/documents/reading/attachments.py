"""Reads the files inside a file, each with its own reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import msgspec

from orbit.documents.sections import Content, UnreadableError

_DEEPEST = 5
"""Files within files to read."""
_DEPTH: ContextVar[int] = ContextVar("orbit_attachment_depth", default=0)


def with_attachments(content: Content, plugins: Mapping[str, Any], read: Callable[..., Content]) -> Content:
    """Return the content with that of its attachments below their names. Name those that cannot be read."""
    sections, warnings = list(content.sections), list(content.warnings)
    depth = _DEPTH.get()
    token = _DEPTH.set(depth + 1)
    try:
        for file in content.attachments:
            try:
                if depth >= _DEEPEST:
                    raise UnreadableError("is nested too deeply")
                found = read(file.name, file.content, plugins)
            except UnreadableError as error:
                reason = str(error).partition(" (.")[0]
                warnings.append(f"The attachment '{file.name}' {reason}.")
                continue
            warnings += (f"The attachment '{file.name}': {warning}" for warning in found.warnings)
            sections += [msgspec.structs.replace(one, path=(file.name, *one.path)) for one in found.sections]
    finally:
        _DEPTH.reset(token)
    return Content(tuple(sections), content.title, tuple(warnings))
