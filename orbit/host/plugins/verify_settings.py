"""Checks that YAML can fill a plugin's ``Settings``. Each breach is one sentence that names the field."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, get_type_hints

import msgspec
import msgspec.inspect

HOST_KEYS = ("use", "enabled", "required")
"""Keys of every provider section that only the host reads. Plugins never see them."""

_YAML_VALUES: tuple[Any, ...] = ("", 0, 0.0, False, None, [], {})
_MAPPING_TYPES = "text, numbers, booleans, lists, dicts and msgspec.Structs of these"


def settings_breaches(owner: str, settings: Any) -> Iterator[str]:
    """Yield a sentence for each breach in the ``Settings`` of the class named ``owner``."""
    name = f"{owner}.Settings"
    if not (isinstance(settings, type) and issubclass(settings, msgspec.Struct)):
        given = repr(getattr(settings, "__qualname__", settings))
        yield f"{name} must be a class derived from msgspec.Struct, not {given}."
        return
    if not settings.__struct_config__.forbid_unknown_fields:
        yield f"{name} must be declared with forbid_unknown_fields=True, so that a misspelt setting is an error."
    try:
        fields = msgspec.structs.fields(settings)
    except Exception as error:  # noqa: BLE001  # annotations are code and can raise anything
        yield f"{_culprit(name, settings)}: its annotation cannot be read: {type(error).__name__}: {error}."
        return
    for field in fields:
        where = f"{name}.{field.encode_name}"
        if field.encode_name in HOST_KEYS:
            keys = ", ".join(f"'{key}'" for key in HOST_KEYS)
            yield f"{where}: the host reads the keys {keys} of a section itself; give the field another name."
        try:
            unusable = _unusable(msgspec.inspect.type_info(field.type), set())
        except Exception as error:  # noqa: BLE001  # the annotations of nested Structs, too
            yield f"{where}: its annotation cannot be used: {' '.join(str(error).replace('`', '').split())}."
            continue
        if unusable:
            yield f"{where}: no value of a configuration is of the type {unusable}; use {_MAPPING_TYPES}."


def _culprit(name: str, settings: type[msgspec.Struct]) -> str:
    """Return the path of the field whose annotation cannot be read."""
    for kind in settings.__mro__:
        names = {**vars(sys.modules.get(kind.__module__)), **vars(kind)} if kind.__module__ in sys.modules else {}
        for field, annotation in vars(kind).get("__annotations__", {}).items():
            try:
                get_type_hints(SimpleNamespace(__annotations__={field: annotation}), names, include_extras=True)
            except Exception:  # noqa: BLE001  # annotations are code and can raise anything
                return f"{name}.{field}"
    return name


def _unusable(kind: msgspec.inspect.Type, seen: set[type]) -> str:
    """Return the name of the first type within ``kind`` that no YAML value fits, or an empty string."""
    if isinstance(kind, msgspec.inspect.CustomType):
        accepts = any(isinstance(value, kind.cls) for value in _YAML_VALUES)
        return "" if accepts else f"'{kind.cls.__qualname__}'"
    if isinstance(kind, msgspec.inspect.RawType | msgspec.inspect.ExtType):
        return f"'{type(kind).__name__.removesuffix('Type')}'"
    if isinstance(kind, msgspec.inspect.StructType):
        if kind.cls in seen:
            return ""
        seen.add(kind.cls)
    for part in _parts(kind):
        if found := _unusable(part, seen):
            return found
    return ""


def _parts(kind: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    if isinstance(kind, msgspec.inspect.UnionType):
        yield from kind.types
    elif hasattr(kind, "fields"):
        yield from (field.type for field in kind.fields)
    else:
        for name in ("type", "item_type", "key_type", "value_type"):
            if isinstance(part := getattr(kind, name, None), msgspec.inspect.Type):
                yield part
        yield from getattr(kind, "item_types", ())
