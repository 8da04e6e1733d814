"""Output of the readers: titled sections of text, not yet cut to size."""

from __future__ import annotations

from orbit.errors import UnreadableError
from orbit.types import Content, Section

__all__ = ["Content", "Section", "UnreadableError"]
