"""The plugin `markdown` for ORBIT."""

from orbit_markdown.provider import Markdown
from orbit_markdown.settings import MarkdownSettings

__all__ = ["Markdown", "MarkdownSettings"]
