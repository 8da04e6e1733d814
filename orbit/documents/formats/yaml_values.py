"""Loads YAML with its words as they are written: ``no`` may be Norway and ``1.10`` a version.

The values are made straight from the events of PyYAML's parser in C. Loaders in Python take some thirty times as long,
which is minutes for a file of some megabytes.
"""

from __future__ import annotations

from typing import Any

import msgspec
import yaml  # type: ignore[import-untyped]  # it has no types
from yaml.events import (  # type: ignore[import-untyped]  # the same
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

_EMPTY = frozenset(("", "~", "null", "Null", "NULL"))
_STANDARD = "tag:yaml.org,2002:"
_SET = "tag:yaml.org,2002:set"
_MERGE = "<<"
_DEEPEST = 300
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotPlainError(Exception):
    """The text is no YAML, or only some program understands it."""


class _Open(msgspec.Struct, gc=False):
    """A mapping or list that has not ended."""

    value: Any
    anchor: str | None = None
    is_set: bool = False
    key: Any = None
    """The key whose value comes next."""
    has_key: bool = False
    merged: list[Any] = []


def yaml_values(text: str) -> list[Any]:
    """Return the value of each document. Raises NotPlainError, also for own tags and keys that are there twice."""
    try:
        return _Values().read(_PARSER(text))
    except (yaml.YAMLError, ValueError) as error:
        raise NotPlainError(str(error)) from error


class _Values:
    """The values of a stream while it is read."""

    def __init__(self) -> None:
        self._done: list[Any] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Any] = {}

    def read(self, parser: Any) -> list[Any]:
        next_event = parser.get_event
        while not isinstance(event := next_event(), StreamEndEvent):
            if isinstance(event, ScalarEvent):
                _check(event)
                value = None if event.implicit[0] and event.value in _EMPTY else event.value
                if event.anchor:
                    self._anchors[event.anchor] = value
                self._add(value)
            elif isinstance(event, MappingStartEvent | SequenceStartEvent):
                self._begin(event)
            elif isinstance(event, MappingEndEvent | SequenceEndEvent):
                self._end()
            elif isinstance(event, AliasEvent):
                if event.anchor not in self._anchors:
                    raise NotPlainError(f"it refers to '{event.anchor}', which it has not named before")
                self._add(self._anchors[event.anchor])
            elif isinstance(event, DocumentStartEvent):
                self._anchors = {}
        return self._done

    def _begin(self, event: Event) -> None:
        _check(event)
        if len(self._open) == _DEEPEST:
            raise RecursionError
        value: Any = {} if isinstance(event, MappingStartEvent) else []
        self._open.append(_Open(value, event.anchor, event.tag == _SET))
        if event.anchor:
            self._anchors[event.anchor] = value

    def _end(self) -> None:
        ended = self._open.pop()
        for other in ended.merged:
            if isinstance(other, dict):
                for name, value in other.items():
                    ended.value.setdefault(name, value)
        self._add(list(ended.value) if ended.is_set else ended.value)

    def _add(self, value: Any) -> None:
        if not self._open:
            self._done.append(value)
            return
        place = self._open[-1]
        if isinstance(place.value, list):
            place.value.append(value)
        elif not place.has_key:
            place.key, place.has_key = "" if value is None else value if isinstance(value, str) else str(value), True
        else:
            place.has_key = False
            if place.key == _MERGE:
                place.merged += value if isinstance(value, list) else [value]
            elif place.key in place.value:
                raise NotPlainError(f"the key '{place.key}' is there twice")
            else:
                place.value[place.key] = value


def _check(event: Event) -> None:
    if event.tag and event.tag != "!" and not event.tag.startswith(_STANDARD):
        raise NotPlainError(f"it has the tag {event.tag}")
