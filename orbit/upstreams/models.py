"""Names of models: the one that is configured, and those that a server lists."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_ROUTES: Final = (":free", ":nitro", ":floor", ":online", ":extended", ":exacto")
"""Endings by which OpenRouter chooses how a model is served; its list names the model alone."""


def listed_name(wanted: str, listed: Iterable[str]) -> str | None:
    """Return the name to ask a server for a model by, None if its list of models has it under no name.

    ``:latest``, ``models/`` and the case of letters make no difference, a ``*`` stands for any text. The name is
    ``wanted``, unless the server writes its letters in another case.
    """
    names = list(listed)
    if wanted in names:
        return wanted
    bare = _bare(wanted)
    for name in names:
        if _bare(name) == bare:
            return wanted
    for name in names:
        if _bare(name).casefold() == bare.casefold():
            return name
    for name in names:
        if "*" in name and fnmatchcase(bare.casefold(), _bare(name).casefold()):
            return wanted
    ending = next((route for route in _ROUTES if wanted.endswith(route)), "")
    return wanted if ending and wanted.removesuffix(ending) in names else None


def _bare(name: str) -> str:
    for prefix in ("models/", "registry.ollama.ai/", "library/"):
        name = name.removeprefix(prefix)
    return name.removesuffix(":latest")
