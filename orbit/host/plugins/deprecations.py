"""Deprecated parts of the plugin API. The loader warns authors who use them; they work until their removal."""

from __future__ import annotations

from typing import Literal

import msgspec


class Deprecation(msgspec.Struct, frozen=True):
    """One name of the plugin API that will go.

    ``name`` is a hook or a method of ``orbit.Provider``, ``argument`` one that the hook passes. ``since`` and
    ``removal`` are versions of orbit-inference; ``instead`` completes the sentence "use ...".
    """

    kind: Literal["hook", "argument", "method"]
    name: str
    since: str
    removal: str
    instead: str
    argument: str = ""

    def sentence(self, where: str) -> str:
        """Return the warning for the author of ``where`` (``WikiProvider.retrieve``)."""
        what = f"its argument '{self.argument}'" if self.kind == "argument" else f"this {self.kind}"
        return f"{where}: {what} is deprecated since {self.since} and goes with {self.removal}; use {self.instead}."


DEPRECATIONS: tuple[Deprecation, ...] = ()
"""Everything that is deprecated now. An entry stays for at least two minor versions; see ``docs/compatibility.md``."""
