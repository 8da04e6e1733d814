"""Plain data -> typed Structs, with every mistake reported at once and a suggestion for each."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from orbit.errors import Problem

S = TypeVar("S", bound=msgspec.Struct)

_YAML_1_1_BOOLEANS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` if a known name is close to ``name``, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def convert_all(data: Any, struct: type[S], path: str) -> tuple[S | None, list[Problem]]:
    """Convert ``data`` to ``struct``; returns the Struct, or None and all the problems found.

    Paths of problems start with ``path``. Values are never shown: they may be secrets.
    """
    problems: list[Problem] = []
    plain = _struct(data, struct, path, problems)
    if problems:
        return None, problems
    try:
        return msgspec.convert(plain, struct, strict=False), []
    except msgspec.ValidationError as error:  # a rule that spans fields (__post_init__)
        return None, [Problem(path, str(error))]


def _struct(data: Any, struct: type[msgspec.Struct], path: str, problems: list[Problem]) -> dict[str, Any]:
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        problems.append(Problem(path, f"expected a section of settings, got {_kind(data)}."))
        return {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    converted: dict[str, Any] = {}
    for name, value in data.items():
        where = f"{path}.{name}" if path else str(name)
        if name not in fields:
            if struct.__struct_config__.forbid_unknown_fields:
                allowed = ", ".join(fields) or "none"
                problems.append(
                    Problem(where, f"there is no such setting.{suggest(str(name), fields)} Allowed here: {allowed}.")
                )
            continue
        field = fields[name]
        if value is None and not _allows_none(field.type):
            continue  # an empty YAML value is as good as a missing one
        converted[name] = _value(value, field.type, where, problems)
    for name, field in fields.items():
        if field.required and name not in converted:
            problems.append(
                Problem(f"{path}.{name}" if path else name, f"is missing: {_expected(field.type)} is needed here.")
            )
    return converted


def _value(value: Any, kind: Any, path: str, problems: list[Problem]) -> Any:
    inner = _nested(kind)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and (isinstance(value, Mapping) or inner is kind):
        return _struct(value, inner, path, problems)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin in (list, tuple) and isinstance(value, list) and arguments:
        return [_value(item, arguments[0], f"{path}[{number}]", problems) for number, item in enumerate(value)]
    if origin is dict and isinstance(value, Mapping) and arguments:
        return {key: _value(item, arguments[1], f"{path}.{key}", problems) for key, item in value.items()}
    if inner is bool and isinstance(value, str):
        value = _YAML_1_1_BOOLEANS.get(value.strip().lower(), value)
    try:
        return msgspec.to_builtins(msgspec.convert(value, kind, strict=False))
    except msgspec.ValidationError as error:
        problems.append(Problem(path, _explain(value, inner, kind, str(error))))
        return None


def _explain(value: Any, inner: Any, kind: Any, error: str) -> str:
    if get_origin(inner) is Literal:
        choices = [str(choice) for choice in get_args(inner)]
        return f"must be one of {', '.join(choices)}, not {value!r}.{suggest(str(value), choices)}"
    if inner is str and isinstance(value, int | float):
        return "expected text, got a number; put it in quotes."
    expected = error.removesuffix(" - at `$`").replace("`", "")
    if not expected.startswith("Expected"):
        return f"{expected}; expected {_expected(kind)}."
    return expected[0].lower() + expected[1:] + "."


def _unwrapped(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _nested(kind: Any) -> Any:
    """Return the type inside ``Annotated`` and ``X | None``."""
    kind = _unwrapped(kind)
    if get_origin(kind) in (Union, types.UnionType):
        members = [_unwrapped(member) for member in get_args(kind) if member is not type(None)]
        structs = [member for member in members if isinstance(member, type) and issubclass(member, msgspec.Struct)]
        if len(members) == 1:
            return members[0]
        if len(structs) == 1:
            return structs[0]
    return kind


def _allows_none(kind: Any) -> bool:
    kind = _unwrapped(kind)
    return kind is Any or (get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind))


def _expected(kind: Any) -> str:
    kind = _nested(kind)
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(kind, str(getattr(kind, "__name__", kind)))


def _kind(data: Any) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return names.get(type(data), type(data).__name__)
