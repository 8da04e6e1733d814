"""Reads data files (JSON, JSON Lines, YAML): a passage for each record, a line for each value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from orbit.documents.sections import Content, Section, UnreadableError

_MOST_TEXT = 10_000_000
"""Characters of a record. YAML can refer to one value again and again."""
_TITLES = ("title", "name", "question", "subject", "id")


_SLACK = re.compile(
    r'("(?:[^"\\]|\\.)*")'  # a string, which stays
    r"|//[^\n]*|/\*.*?(?:\*/|\Z)"  # comments
    r"|,(?=\s*[\]}])"
    r"|(-?\b(?:NaN|Infinity)\b)",
    re.DOTALL,
)
"""What programs write that is no JSON: comments, commas at the end, and numbers that are none."""


class _Number(str):
    """A number as it is written: 1.10 is no 1.1 to whoever searches it."""

    __slots__ = ()


_decode = msgspec.json.Decoder(float_hook=_Number).decode
_HALF = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half of a character, as programs leave it that cut a text after so many."""


def read_json(text: str) -> Content:
    """Read a JSON file of any form. A list is read record by record, an object entry by entry.

    Comments and the like are left out. A file with a JSON value in each line is read as JSON Lines.
    """
    try:
        return _content(_value(text))
    except (msgspec.DecodeError, RecursionError) as error:
        reason = error
    with suppress(UnreadableError):
        lines = read_json_lines(text)
        if len(lines.sections) > 1 and not lines.warnings:
            return lines
    try:
        plain = _SLACK.sub(_strict, _SLACK.sub(_strict, text))  # a comma may be before a comment
        return _content(_value(plain))
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableError(f"is not readable JSON: {reason}") from reason


def _strict(found: re.Match[str]) -> str:
    return found[1] or (f'"{found[2]}"' if found[2] else " ")


def _value(text: str) -> Any:
    try:
        return _decode(text.encode("utf-8", "replace"))
    except msgspec.DecodeError:
        whole, halves = _HALF.subn(r"\\ufffd", text)
        if not halves:
            raise
        return _decode(whole.encode())


def read_json_lines(text: str) -> Content:
    """Read a JSON value in each line. ``line`` in the metadata counts from 1. A broken line is named in a warning."""
    sections: list[Section] = []
    broken: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _value(line)
        except (msgspec.DecodeError, RecursionError):
            broken.append(number)
            continue
        sections.append(_record(value, (), {"line": number}))
    if not sections:
        raise UnreadableError("is not readable JSON Lines: no line is JSON")
    warnings = (f"{len(broken)} lines are not JSON, the first is line {broken[0]}.",) if broken else ()
    return Content(tuple(sections), "", warnings)


def read_yaml(text: str) -> Content:
    """Read all documents of a YAML file. A file that only some program understands is read as text."""
    from orbit.documents.formats.yaml_values import NotPlainError, yaml_values  # noqa: PLC0415  # only some files are YAML

    try:
        values = yaml_values(text)
    except NotPlainError as error:
        reason = str(error).split("\n")[0]
        warning = f"It is read as plain text, because it is not plain YAML: {reason}."
        return Content((Section(text, kind="code", metadata={"line": 1}),), "", (warning,))
    return _content(values[0] if len(values) == 1 else values)


def _content(value: Any) -> Content:
    if isinstance(value, Mapping):
        sections = [
            section
            for name, inner in value.items()
            for section in (
                _list(inner, (str(name),)) if _is_list_of_records(inner) else [_record(inner, (str(name),), {})]
            )
        ]
        small = sum(len(section.text) for section in sections)
        if all(not section.metadata for section in sections) and small < 600:  # noqa: PLR2004  # one passage
            sections = [_record(value, (), {})]
        return Content(tuple(sections), _title(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Content(tuple(_list(value, ())))
    return Content((_record(value, (), {}),))


def _is_list_of_records(value: Any) -> bool:
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(item, Mapping) for item in value)
    )


def _list(values: Sequence[Any], path: tuple[str, ...]) -> list[Section]:
    """Return a section for each record of a list, or one for a list of plain values."""
    if not any(isinstance(item, Mapping | list) for item in values):
        return [Section("\n".join(_written(item) for item in values), path)]
    return [_record(item, path, {"row": number}) for number, item in enumerate(values, start=1)]


def _record(value: Any, path: tuple[str, ...], location: dict[str, Any]) -> Section:
    lines: list[str] = []
    size = 0
    for line in _lines(value, ""):
        size += len(line)
        if size > _MOST_TEXT:
            raise UnreadableError("refers to its own values so often that it has no end")
        lines.append(line)
    title = _title(value) if isinstance(value, Mapping) else ""
    return Section("\n".join(lines), path, title=title, metadata=location)


def _title(record: Mapping[Any, Any]) -> str:
    titles = (record[key] for key in _TITLES if isinstance(record.get(key), str))
    return next((title for title in titles if not isinstance(title, _Number)), "")


def _lines(value: Any, name: str) -> Iterator[str]:
    """Yield ``name: value`` for each value; names of inner ones have dots."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _lines(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        if any(isinstance(item, Mapping | list) for item in value):
            for item in value:
                yield from _lines(item, name)
        elif value:
            yield f"{name}: {', '.join(map(_written, value))}" if name else ", ".join(map(_written, value))
    elif (written := _written(value)).strip():
        yield f"{name}: {written}" if name else written


def _written(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool | int | float) else str(value)
