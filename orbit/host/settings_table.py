"""Generates Markdown tables of settings from the annotations of Structs.

``python -m orbit.host.settings_table --write FILE...`` rewrites the tables between markers like these::

    <!-- settings: orbit_chroma.settings:ChromaSettings -->
    <!-- end -->
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import re
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_MARKED = re.compile(r"(<!-- settings: (?P<target>[\w.]+:[\w.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z_/.][\w/.-]*(:[\w/.-]+)*")
_WORDS = ("null", "true", "false", "yes", "no", "on", "off")
"""Strings that YAML 1.1 reads as null or as a boolean unless they are quoted."""
_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null", Any: "any"}


class Setting(msgspec.Struct, frozen=True):
    """One setting: its dotted name within the section, its type in words, its default as YAML, and its description.

    ``default`` is None if the setting must be given.
    """

    name: str
    type: str
    default: str | None
    description: str


def settings_of(struct: type[msgspec.Struct], prefix: str = "") -> list[Setting]:
    """Return the settings of a Struct: its own in order, then those it inherits. Nested sections have dotted names."""
    own = struct.__annotations__
    found: list[Setting] = []
    for field in sorted(msgspec.structs.fields(struct), key=lambda field: field.name not in own):
        name = prefix + field.encode_name
        kind, metas = _unwrapped(field.type)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += settings_of(kind, f"{name}.")
            continue
        description = next((meta.description for meta in metas if meta.description), "")
        default = None if field.required else _yaml(field)
        found.append(Setting(name, " ".join(_type(field.type)), default, description))
    return found


def markdown_table(struct: type[msgspec.Struct]) -> str:
    """Return the settings of a Struct as a Markdown table, one row each, with a final newline."""
    rows = ["| setting | type | default | description |", "|---|---|---|---|"]
    for item in settings_of(struct):
        default = "required" if item.default is None else f"`{item.default}`" if item.default else ""
        cells = (f"`{item.name}`", item.type, default, item.description)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def with_tables(page: str) -> str:
    """Return a page with the table between each pair of markers generated from the Struct that the marker names."""

    def table(match: re.Match[str]) -> str:
        module, _, attribute = match["target"].partition(":")
        struct: Any = functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        return f"{match[1]}{markdown_table(struct)}{match[3]}"

    return _MARKED.sub(table, page)


def _yaml(field: msgspec.structs.FieldInfo) -> str:
    """Return a field's default as one line of YAML. Strings have quotes only where YAML needs them."""
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _WORDS:
        return value
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)


def _unwrapped(kind: Any) -> tuple[Any, tuple[msgspec.Meta, ...]]:
    metas: tuple[msgspec.Meta, ...] = ()
    while get_origin(kind) is Annotated:
        inner, *around = get_args(kind)
        metas = (*(meta for meta in around if isinstance(meta, msgspec.Meta)), *metas)
        kind = inner
    return kind, metas


def _type(kind: Any) -> Iterator[str]:
    """Yield the words for a type: its name, then its bounds."""
    kind, metas = _unwrapped(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        yield ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in arguments)
    elif origin in (Union, types.UnionType):
        parts = [" ".join(_type(item)) for item in sorted(arguments, key=lambda item: item is type(None))]
        yield " or ".join(parts)
    elif origin in (list, tuple):
        yield f"list of {' '.join(_type(arguments[0]))}"
    elif origin is dict:
        yield "mapping"
    else:
        yield _NAMES.get(kind, getattr(kind, "__name__", str(kind)))
    yield from filter(None, [_bounds(metas)])


def _bounds(metas: Sequence[msgspec.Meta]) -> str:
    bounds: dict[str, Any] = {}
    for meta in metas:
        for name in ("ge", "gt", "le", "lt", "min_length"):
            value = getattr(meta, name)
            if value is not None:
                bounds[name] = value
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']} to {bounds['le']}"
    words = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    parts = [text.format(bounds[name]) for name, text in words.items() if name in bounds]
    if bounds.get("min_length"):
        parts.append("not empty")
    return ", ".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the tables of pages, or list the outdated pages and return the exit status 1."""
    parser = argparse.ArgumentParser(description="Write settings tables between the markers of Markdown pages.")
    parser.add_argument("--write", action="store_true", help="Rewrite the pages; without it, only compare.")
    parser.add_argument("pages", nargs="+", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    stale: list[Path] = []
    for page in options.pages:
        text = page.read_text(encoding="utf-8")
        new = with_tables(text)
        if new != text:
            stale.append(page)
            if options.write:
                page.write_text(new, encoding="utf-8")
    verb = "rewritten" if options.write else "out of date; run again with --write"
    for page in stale:
        sys.stdout.write(f"{page}: {verb}\n")
    return 1 if stale and not options.write else 0


if __name__ == "__main__":
    sys.exit(main())
