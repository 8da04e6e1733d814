"""A configuration while its earlier names become today's, and what the operator should know about that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cached_property
from typing import Any

import msgspec

from orbit.config.convert import as_boolean

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
MISSING = object()


class Notice(msgspec.Struct, frozen=True):
    """One sentence about a translated setting, and the section of the new form that it concerns."""

    section: str
    text: str


class Translation:
    """The sections of a file, changed in place; ``notices`` and ``left_out`` say what changed.

    ``data`` is a copy: the caller keeps the file as it was read.
    """

    def __init__(self, data: dict[str, Any], installed: Callable[[], Iterable[str]]) -> None:
        """``installed`` returns the names of installed plugins: a section of theirs is never an earlier one."""
        self.data: dict[str, Any] = deepcopy(data)
        self.notices: list[Notice] = []
        self.left_out: dict[str, str] = {}
        """Path of a setting without a counterpart -> what to do instead; empty if there is nothing to do."""
        self.earlier = False
        """Whether the file is one of the earlier ORBIT."""
        self._installed = installed

    @property
    def without(self) -> str:
        """The settings without a counterpart, each with what to do instead; empty if there are none."""
        return "; ".join(_grouped(self.left_out))

    @property
    def warning(self) -> str:
        """The one sentence about everything that has no counterpart; empty if all has."""
        if not self.left_out:
            return ""
        return (
            f"these settings of the earlier ORBIT have no counterpart and no effect: {self.without}. "
            "`orbit migrate config OLD > NEW` writes the file without them; see docs/migration.md for alternatives."
        )

    @cached_property
    def _plugins(self) -> frozenset[str]:
        """The installed plugins. Finding them reads a file of every package."""
        return frozenset(self._installed())

    def claimed(self, name: str) -> bool:
        """Whether a section belongs to an installed plugin, or names one with ``use``.

        One that chooses among tables of its own, such as ``ocr: {provider: x, x: {}}``, is of the earlier form.
        """
        section = self.section(name)
        provider = section.get("provider")
        if isinstance(provider, str) and isinstance(section.get(provider), dict):
            return "use" in section
        return "use" in section or name in self._plugins

    def get(self, path: str) -> Any:
        """Return the value at ``general.port``; MISSING if there is none."""
        value: Any = self.data
        for name in path.split("."):
            if not isinstance(value, dict) or name not in value:
                return MISSING
            value = value[name]
        return value

    def section(self, path: str) -> dict[str, Any]:
        """Return the mapping at a path; an empty one if there is none, or something else."""
        value = self.get(path)
        return value if isinstance(value, dict) else {}

    def take(self, path: str) -> Any:
        """Remove the value at a path and return it; MISSING if there is none."""
        value = self.get(path)
        if value is not MISSING:
            parent, _, name = path.rpartition(".")
            del (self.section(parent) if parent else self.data)[name]
        return value

    def put(self, path: str, value: Any) -> bool:
        """Set the value at a path unless the file already has one. Return whether it was set."""
        parent, _, name = path.rpartition(".")
        section = self.data
        for step in parent.split(".") if parent else ():
            if not isinstance(section.get(step), dict):
                section[step] = {}
            section = section[step]
        if section.get(name) is not None:
            return False
        section[name] = value
        return True

    def note(self, path: str, text: str) -> None:
        """Add a notice about a setting of the new form."""
        self.notices.append(Notice(path.partition(".")[0], text))

    def move(self, old: str, new: str, convert: Callable[[Any], Any] | None = None) -> None:
        """Rename a setting. One whose value cannot be converted is left out."""
        value = self.take(old)
        if value is MISSING or value is None:
            return
        if convert is not None:
            try:
                value = convert(value)
            except (TypeError, ValueError):
                self.leave_out(old, f"set {new}")
                return
        if self.put(new, value):
            self.note(new, f"{old} is now {new}.")
        else:
            self.note(new, f"{old} is an earlier name of {new}, which the file sets as well; {new} counts.")

    def leave_out(self, path: str, way: str = "") -> None:
        """Remove a setting that has no counterpart, and remember to say so."""
        self.take(path)
        self.left_out[path] = way

    def drop(self, path: str, names: Iterable[str], way: str = "") -> None:
        """Leave out those of the named settings that a section has."""
        section = self.section(path)
        for name in [name for name in section if name in set(names)]:
            self.leave_out(f"{path}.{name}", way)


def _grouped(left_out: dict[str, str]) -> Iterator[str]:
    """Yield settings with what to do instead; those of one section together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for path, way in left_out.items():
        parent, _, name = path.rpartition(".")
        groups.setdefault((parent, way), []).append(name)
    for (parent, way), names in groups.items():
        listed = names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"
        path = f"{parent}.{listed}" if parent else ", ".join(names)
        yield f"{path} ({way})" if way else path


def is_on(value: Any, *, default: bool = True) -> bool:
    """Read a switch of the earlier form, which accepted texts as well."""
    if value is MISSING or value is None:
        return default
    return as_boolean(value) is not False


def optional(value: Any, default: str = "") -> Any:
    """Give a variable a default: where the earlier ORBIT found none, it went on with an empty text."""
    return _VARIABLE.sub(rf"${{\1:-{default}}}", value) if isinstance(value, str) else value
