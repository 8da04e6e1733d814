"""A phase of a text: it reads until another phase follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias

Split: TypeAlias = tuple[str, str]
"""The parts of a text that belong to the answer and to the thoughts."""
Learn: TypeAlias = Callable[[bool], None]
"""Is told ``OPENED`` or ``PLAIN``."""
OPENED: Final = True
"""A tag closed thoughts that none opened: the prompt did."""
PLAIN: Final = False
"""No tag did."""


class Phase(ABC):
    """Reads the text from one point to another: the thoughts, or the answer, in one of their forms."""

    following: tuple[Phase, str] | None = None
    """Once the phase is over, the phase that reads on, and the text for it."""
    end_mark: str = ""
    """The mark that would end the current thoughts, as the model would write it; empty outside of thoughts."""

    @abstractmethod
    def add(self, text: str) -> Split:
        """Add ``text`` and return everything that is now certain."""

    @abstractmethod
    def rest(self, *, cut: bool) -> Split:
        """Return what was held back, at the end of the text. ``cut``: the model ran out of tokens."""
