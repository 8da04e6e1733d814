"""What of the plugin API is on its way out. Authors are told when their plugin is loaded; nothing breaks before."""

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
        """Return what the author of ``where`` (``WikiProvider.retrieve``) is told."""
        what = f"its argument '{self.argument}'" if self.kind == "argument" else f"this {self.kind}"
        return f"{where}: {what} is deprecated since {self.since} and goes with {self.removal}; use {self.instead}."


DEPRECATIONS: tuple[Deprecation, ...] = ()
"""Everything that is deprecated now. An entry stays for at least two minor versions; see ``docs/compatibility.md``."""
