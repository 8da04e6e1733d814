"""Converts plain data to typed Structs. Reports every mistake at once, each with a suggestion."""

from __future__ import annotations

import difflib
import math
import re
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from orbit.errors import Problem

S = TypeVar("S", bound=msgspec.Struct)

_SHOWN_CHARS = 40
_NAMED: dict[str, type] = {"bool": bool, "int": int, "float": float}
_PLURAL = {list, tuple, set, frozenset, dict}
_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "array": "a list",
    "object": "a section",
}
_IN_YAML: dict[Any, str] = {
    **{kind: _TYPES[name] for name, kind in _NAMED.items()},
    **dict.fromkeys((list, tuple, set, frozenset), _TYPES["array"]),
    str: _TYPES["str"],
    dict: _TYPES["object"],
}
_BOUNDS = {">=": "of at least", ">": "above", "<=": "of at most", "<": "below"}
_WRONG = re.compile(
    r"Expected `(?P<types>[^`]+)`(?: of length (?P<length>[<>=]+ \d+)| (?P<bound>[<>]=?) (?P<number>[-+.\de]+))?"
    r"(?P<rest>.*?)(?P<got>, got `[^`]+`)?(?: - at `\$`)?$"
)
"""msgspec's message about a value of the wrong type."""

_WITH_UNIT = re.compile(r"\d{1,9}(\.\d+)? ?[A-Za-z%]{1,7}")
"""A number with a unit, such as 10MB or 5 min."""
_YAML_1_1_BOOLEANS = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
_BOOLEANS = {**_YAML_1_1_BOOLEANS, "1": True, "0": False}


class FromReference(str):
    """A whole value from a variable or file. It converts to the type of its setting, including lists."""

    __slots__ = ()


def as_boolean(value: Any) -> Any:
    """Return True or False for a text that means one of them, and anything else unchanged."""
    return _BOOLEANS.get(value.strip().lower(), value) if isinstance(value, str) else value


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` if a known name is close to ``name``, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def convert_all(data: Any, struct: type[S], path: str) -> tuple[S | None, list[Problem]]:
    """Convert ``data`` to ``struct``. Return the Struct, or None and all problems.

    Paths of problems start with ``path``. Messages never contain values: they may be secrets.
    """
    problems: list[Problem] = []
    plain = _struct(data, struct, path, problems)
    if problems:
        return None, problems
    try:
        return msgspec.convert(plain, struct, strict=False), []
    except msgspec.ValidationError as error:  # a rule across fields (__post_init__)
        return None, [Problem(path, str(error))]


def _struct(data: Any, struct: type[msgspec.Struct], path: str, problems: list[Problem]) -> dict[str, Any]:
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        problems.append(Problem(path, f"expected a section of settings, got {in_yaml(data)}."))
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
        if isinstance(value, str):
            value = _from_text(value, field.type)  # noqa: PLW2901  # from here on, what the text stands for
        if value is None and not _allows_none(field.type):
            continue  # an empty YAML value counts as missing
        converted[name] = _value(value, field.type, where, problems)
    for name, field in fields.items():
        if field.required and name not in converted:
            problems.append(
                Problem(f"{path}.{name}" if path else name, f"is missing: {_expected(field.type)} is needed here.")
            )
    return converted


def _value(value: Any, kind: Any, path: str, problems: list[Problem]) -> Any:
    inner = _nested(kind)
    if isinstance(value, str):
        value = _from_text(value, kind)
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct) and (isinstance(value, Mapping) or inner is kind):
        return _struct(value, inner, path, problems)
    origin, arguments = get_origin(inner), get_args(inner)
    if origin in (list, tuple) and isinstance(value, list) and arguments:
        return [_value(item, arguments[0], f"{path}[{number}]", problems) for number, item in enumerate(value)]
    if origin is dict and isinstance(value, Mapping) and arguments:
        return {key: _value(item, arguments[1], f"{path}.{key}", problems) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        problems.append(Problem(path, f"expected {_expected(kind)}, got {value}, which is not a finite number."))
        return None
    try:
        return msgspec.to_builtins(msgspec.convert(_plain(value), kind, strict=False))
    except msgspec.ValidationError as error:
        problems.append(Problem(path, _explain(value, inner, kind, str(error))))
        return None


def _from_text(text: str, kind: Any) -> Any:
    """Convert a text to the type of its setting: variables and files contain only text.

    An empty text then means None. If the setting accepts both text and numbers, only a text that is a number becomes
    one.
    """
    members = _members(kind)
    kinds = {get_origin(member) or member for member in members}
    stripped = text.strip()
    if kinds & {Any, object}:
        return str(text)
    choices = {
        str(choice): choice for member in members if get_origin(member) is Literal for choice in get_args(member)
    }
    if stripped in choices:
        return choices[stripped]
    if stripped and (scalar := _scalar(stripped, kinds)) is not None:
        return scalar
    if not stripped and (kinds & {int, float, bool} or (isinstance(text, FromReference) and str not in kinds)):
        return None if str not in kinds or type(None) in kinds else str(text)
    if isinstance(text, FromReference) and kinds & _PLURAL:
        return _plural(stripped, kinds)
    return str(text)


def _scalar(text: str, kinds: set[Any]) -> bool | int | float | None:
    """Return the boolean or number that a text represents, if the setting accepts one."""
    if bool in kinds and isinstance(as_boolean(text), bool):
        return bool(as_boolean(text))
    number = _number(text) if kinds & {int, float} else None
    return None if number is not None and str in kinds and not math.isfinite(number) else number


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text) if "_" not in text else None
        except ValueError:
            continue
    return None


def _plural(text: str, kinds: set[Any]) -> Any:
    """Return the list or section in a text: JSON, or comma-separated words if the setting accepts only a list."""
    if text[:1] in ("[", "{"):
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return text
    if str in kinds or kinds <= {dict, type(None)}:
        return text
    return [word.strip() for word in text.split(",") if word.strip()]


def _plain(value: Any) -> Any:
    """Replace ``FromReference`` in a value by plain text: plugins may pass it to libraries that accept only ``str``."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, FromReference) else value


def _explain(value: Any, inner: Any, kind: Any, error: str) -> str:
    if get_origin(inner) is Literal:
        choices = [str(choice) for choice in get_args(inner)]
        other = f"'{value}'" if isinstance(value, str) else in_yaml(value, shown=True)
        return f"must be one of {', '.join(choices)}, not {other}.{suggest(str(value), choices)}"
    if inner is str and isinstance(value, bool | int | float):
        return f"expected text, got {in_yaml(value)}; put it in quotes."
    members = _members(kind)
    words = [str(choice) for member in members if get_origin(member) is Literal for choice in get_args(member)]
    if words and isinstance(value, str):
        others = [_TYPES[name] for name, member in _NAMED.items() if member in members]
        return f"must be {', '.join([*others, *words])}, not {value!r}.{suggest(value, words)}"
    found = _WRONG.match(error)
    if found is None:
        return f"{error.removesuffix(' - at `$`').replace('`', '')}; expected {_expected(kind)}."
    expected = " or ".join(_TYPES.get(name, name) for name in found["types"].split(" | "))
    length = found["length"]
    if length:
        expected = "text that is not empty" if length == ">= 1" else f"{expected} of length {length}"
    if found["bound"]:
        expected += f" {_BOUNDS[found['bound']]} {float(found['number']):g}"
    # A text may be a misplaced secret, and so may a number where text belongs.
    shown = inner is bool if isinstance(value, str) else inner is not str
    got = f", got {in_yaml(value, shown=shown)}"
    if found["rest"] and not (found["bound"] or found["got"]):
        expected += _as_in(kind) or found["rest"]
        got = "; what is here has another form" if isinstance(value, str) else got
    elif isinstance(value, str) and {int, float} & set(members) and _WITH_UNIT.fullmatch(value):
        got = f", got '{value}'; write the number alone, without a unit"
    elif isinstance(value, str) and value and _TYPES["array"] in expected:
        got += "; write it in brackets: [one, two]"
    return f"expected {expected}{got}."


def _as_in(kind: Any) -> str:
    """Return the example of a setting whose text has a form: people read it more easily than the pattern."""
    examples = [example for note in getattr(kind, "__metadata__", ()) for example in note.examples or ()]
    return f" such as {examples[0]}" if examples else ""


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


def _members(kind: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type, without annotations."""
    kind = _unwrapped(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(inner for member in get_args(kind) for inner in _members(member))
    return (kind,)


def _allows_none(kind: Any) -> bool:
    kind = _unwrapped(kind)
    return kind is Any or (get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind))


def _expected(kind: Any) -> str:
    kinds = [get_origin(member) or member for member in _members(kind) if member is not type(None)]
    return " or ".join(_IN_YAML.get(one, str(getattr(one, "__name__", one))) for one in kinds)


def in_yaml(value: Any, *, shown: bool = False) -> str:
    """Return a value in the words of someone who writes YAML: ``text``, ``a number``, ``true``.

    ``shown`` adds short values: ``text 'yes please'``, ``the number 5``.
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}" if shown else "a number"
    if value == "":
        return "an empty text"
    if isinstance(value, str):
        return f"text '{value}'" if shown and len(value) <= _SHOWN_CHARS else "text"
    kinds: dict[type, str] = {list: "a list", dict: "a section"}
    return kinds.get(type(value), f"a {type(value).__name__}")
