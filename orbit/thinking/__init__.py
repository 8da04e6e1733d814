"""Separates a model's thoughts from its answer while the text arrives.

Some servers leave the thoughts in the text, between tags that differ by model. ``Thinking`` belongs to a provider and
remembers what it learned about its models; ``ThinkingSplitter`` reads one answer.
"""

from __future__ import annotations

from orbit.thinking.models import Thinking
from orbit.thinking.splitter import ThinkingSplitter

__all__ = ["Thinking", "ThinkingSplitter"]
