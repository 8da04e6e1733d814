"""Validates the name of a new plugin and its choice of hooks."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from orbit.config.convert import suggest
from orbit.config.model import HostConfig
from orbit.host.plugins.discover import FIRST_PARTY, installed_plugins
from orbit.host.plugins.verify import HOOKS

HOOKS_TO_CHOOSE = {
    "generate": "quotes the sentences of the passages that answer the question",
    "embed": "embeds words by hashing, without a model",
    "retrieve": "explains glossary terms that occur in the question",
    "index": "stores passages in SQLite and finds them with full-text search",
    "rerank": "moves passages up that share words with the question",
    "moderate": "refuses texts that match a pattern",
    "fetch": "fetches the notes of a folder",
    "read": "reads subtitles of films",
    "tools": "lets models roll dice",
    "log": "counts turns and warns of slow ones",
    "register_routes": "adds a page that shows a motto",
    "register_commands": "adds a command that prints it",
}
"""Hook -> what the generated provider does in it."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_RESERVED = frozenset({"inference"})
"""Sections that belong neither to the host nor to a plugin."""


def problems_of(name: str, hooks: Sequence[str], folder: Path, commands: Sequence[str]) -> Iterator[str]:
    """Yield the reasons why a plugin cannot be generated, as sentences. ``commands`` are those of ``orbit`` itself."""
    yield from _problems_of_name(name, commands)
    known = ", ".join(HOOKS_TO_CHOOSE)
    for hook in hooks:
        if hook not in HOOKS_TO_CHOOSE:
            yield _no_template(hook, known)
    if not hooks:
        yield f"Choose its hooks, as in --hooks generate,embed. Hooks: {known}."
    if folder.exists():
        yield f"{folder} already exists. Choose another name, or another place with --path."
    elif not folder.parent.is_dir():
        yield f"The folder {folder.parent} does not exist."


def _no_template(hook: str, known: str) -> str:
    if hook in HOOKS or hook in ("wrap", "wrapper"):
        return f"There is no template for '{hook}'; docs/hooks.md has an example to add by hand. Templates: {known}."
    return f"The hook '{hook}' does not exist.{suggest(hook, HOOKS_TO_CHOOSE)} Hooks: {known}."


def _problems_of_name(name: str, commands: Sequence[str]) -> Iterator[str]:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        usual = re.sub(r"\W+", "_", name.lower()).strip("_")
        better = usual if _NAME.fullmatch(usual) and not keyword.iskeyword(usual) else "my_plugin"
        yield (
            f"'{name}' is not a valid plugin name: use lower-case letters, digits and underscores, such as '{better}'."
        )
        return
    installed = installed_plugins()
    if name in installed:
        there = installed[name]
        yield f"'{name}' is the name of an installed plugin ({there.distribution} {there.version}). Choose another."
    elif name in FIRST_PARTY:
        yield f"'{name}' is the name of the plugin in {FIRST_PARTY[name]}. Choose another."
    elif name in _RESERVED or name in {field.name for field in msgspec.structs.fields(HostConfig)}:
        yield f"'{name}' is one of ORBIT's own sections in the configuration. Choose another name."
    elif name in commands:
        yield f"'{name}' is a command of orbit. Choose another name."
    elif importlib.util.find_spec(f"orbit_{name}") is not None:
        yield f"The Python package orbit_{name} already exists. Choose another name."
