"""Texts that try what a provider bears."""

from __future__ import annotations

from typing import Final

UNICODE: Final = (
    "Grüße, 漢字, \u05d0\u05d1\u05d2, \U0001f600, \U0001f1e9\U0001f1ea, e\u0301, \U0001f469\u200d\U0001f52c."
)
"""Characters of one to four bytes, from the right to the left, and such as belong together."""

HUGE: Final = "All work and no play makes a dull boy. " * 4000
"""Far more text than a model reads: 156,000 characters."""
