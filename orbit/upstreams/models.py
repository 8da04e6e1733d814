"""Matching of configured model names with the names that a server lists."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

_ROUTES: Final = (":free", ":nitro", ":floor", ":online", ":extended", ":exacto")
"""Suffixes by which OpenRouter chooses how to serve a model. Its model list omits them."""


def listed_name(wanted: str, listed: Iterable[str]) -> str | None:
    """Return the name to request a model by; None if the server does not list it under any spelling.

    ``:latest``, ``models/`` and upper or lower case make no difference; ``*`` matches any text. The result is
    ``wanted``, unless the server's spelling differs in case.
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
