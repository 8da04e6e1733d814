"""Reads the settings that site generators want before a Markdown text: YAML between ``---``, TOML between ``+++``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from orbit.documents.formats.titles import real_title
from orbit.filters import FIELDS, FilterError, parse_filter
from orbit.types import MetadataValue

_YAML = re.compile(r"\A---[ \t]*\n((?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TOML = re.compile(r"\A\+\+\+[ \t]*\n((?:.*\n)*?)\+\+\+[ \t]*(?:\n|\Z)")
_SETTING = re.compile(r"[\w\"'$@.-][^:\n]*:(?:[ \t].*)?")
_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*$", re.MULTILINE)
_SHOWN = ("subtitle", "description", "summary", "abstract", "author", "authors", "date")
"""Settings that readers of the page see."""


_PLACES = (*FIELDS, "heading", "page", "slide", "sheet", "row", "cell", "line")
"""Fields of passages that settings of the same name do not replace."""
_MOST_FIELDS = 20
_LONGEST_FIELD = 200


class FrontMatter(msgspec.Struct, frozen=True):
    """Settings before a text: its title, what else readers see, and the number of characters they take.

    ``fields`` are the settings that filters can name.
    """

    title: str = ""
    text: str = ""
    length: int = 0
    fields: dict[str, MetadataValue] = {}


def front_matter(text: str) -> FrontMatter:
    """Return the settings before a text; without a length if it begins with something else, such as a rule."""
    if (found := _TOML.match(text)) is not None:
        try:
            return _of(tomllib.loads(found.group(1)), found.end())
        except ValueError:
            return FrontMatter()
    found = _YAML.match(text)
    lines = found.group(1).split("\n") if found else [""]
    if found is None or not _SETTING.fullmatch(lines[0]):
        return FrontMatter()
    if not all(not line.strip() or line[0] in " \t#-" or _SETTING.fullmatch(line) for line in lines):
        return FrontMatter()
    return _of(_yaml(found.group(1)), found.end())


def _yaml(text: str) -> Mapping[Any, Any]:
    from ruamel.yaml import YAML  # noqa: PLC0415  # only some files have settings
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415  # the same

    try:
        value = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        value = None
    if isinstance(value, Mapping):
        return value
    named = _TITLE.search(text)
    return {"title": named.group(2)} if named else {}


def _of(settings: Mapping[Any, Any], length: int) -> FrontMatter:
    lines = [f"{name}: {shown}" for name in _SHOWN if (shown := _shown(settings.get(name)))]
    return FrontMatter(real_title(_shown(settings.get("title"))), "\n".join(lines), length, _fields(settings))


def _fields(settings: Mapping[Any, Any]) -> dict[str, MetadataValue]:
    """Return texts, numbers, truth values and dates, these as ``2026-01-31``; not lists and mappings."""
    found: dict[str, MetadataValue] = {}
    for key, value in settings.items():
        value = value.isoformat() if isinstance(value, date) else value  # noqa: PLW2901  # the same value
        if key in _PLACES or str(key).startswith("orbit_") or (isinstance(value, str) and len(value) > _LONGEST_FIELD):
            continue
        try:
            parse_filter({"type": "eq", "key": key, "value": value})
        except FilterError:
            continue
        found[key] = value
        if len(found) == _MOST_FIELDS:
            break
    return found


def _shown(value: Any) -> str:
    """Return a value in one line; of mappings such as authors their names."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_shown, value)))
    if isinstance(value, Mapping):
        return _shown(value.get("name"))
    return "" if value is None else " ".join(str(value).split())
