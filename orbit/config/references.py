"""References in configuration values: ``${NAME}`` for a variable, ``${file:PATH}`` for a secret in a file."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from orbit.config.convert import FromReference, as_boolean
from orbit.errors import Problem
from orbit.system.unicode import is_utf8

MAX_FILE_BYTES = 64 * 1024

_OPENING = re.compile(r"\$?\$\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:-|:\?)(?P<rest>.*))?", re.DOTALL)
_FOREIGN = re.compile(
    r"(?:(?:Bearer|Basic|Token) +)?(?P<form>"
    r"\$\(?(?:(?i:env):)?(?P<shell>[A-Za-z_][A-Za-z0-9_]*)\)?"
    r"|os\.(?:environ(?:/|\.get\(|\[)|getenv\()['\"]?(?P<python>[A-Za-z_]\w*)['\"]?[\])]?"
    r"|process\.env\.(?P<node>[A-Za-z_]\w*)"
    r"|\{\{-?(?P<template>[^{}]*)-?\}\}"
    r"|%(?P<windows>[A-Za-z_]\w+)%"
    r"|%\((?P<python_format>[A-Za-z_]\w*)\)s"
    r"|(?:env:|!env[: ] *|secretref:)(?P<prefix>[A-Za-z_]\w*)"
    r"|\{(?:env|ENV)[:.](?P<braces>[A-Za-z_]\w*)\}|(?:#\{|\$ \{) *(?P<hash>[A-Za-z_]\w*) *\}"
    r"|(?:env|getenv|ENV)[(\[]['\"]?(?P<call>[A-Za-z_]\w*)['\"]?[)\]]"
    r"|`[^`]+`|\$\([^()]+\)"
    r"|(?:vault|op|aws-?sm|aws-secretsmanager|gcp-?sm|azkv|akv|keyvault|ssm|doppler|sops):/{0,3}[\w.-]+/\S+"
    r"|arn:aws[\w-]*:(?:secretsmanager|ssm):\S+"
    r"|(?:file:(?://)?|@)(?P<file>\.{0,2}/\S+)"
    r"|(?P<sealed>ENC\[|\$ANSIBLE_VAULT;)[\s\S]*"
    r")"
)
"""References in the syntax of other programs, as the whole value or after the scheme of an Authorization header."""
_IN_SECRETS = re.compile(
    r"(?:(?:Bearer|Basic|Token) +)?(?P<form>"
    r"(?:(?i:env)[.:]|!(?i:env) +|@env\(|\$\[|[#%@]?\{\$?)(?P<name>[A-Za-z_]\w*)(?:\}[#%]?|[)\]])?"
    r"|[A-Za-z][\w+.-]*://\S+|ref\+\w+:\S+|(?:secret|keyring|doppler|infisical|bitwarden|conjur|keepass):\S+|projects/[^/\s]+/secrets/\S+"
    r"|(?P<file>(?:/var)?(?:/run)?/secrets/\S+)"
    r")"
)
"""More of these, which in other settings may be texts."""
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .-]*>|[\w-]{0,8}(?:\.{3}|…)")
"""What examples have in place of a secret, such as <YOUR_KEY> and sk-..."""
_SECRET = re.compile(r"(?:key|password|passwd|token|secret|authorization)$", re.IGNORECASE)
"""Names of settings that hold a secret. Only in these, a text like a file's address is a foreign reference."""
_SUPPORTED = "Supported are ${NAME}, ${NAME:-default}, ${NAME:?message} and ${file:PATH}"
_SWITCHED = ("", "inference", "general", "logging")
"""Parents of the sections that have a switch ``enabled``: the top level and these."""


class _Unresolved(Exception):
    """A reference that cannot be resolved. The text says why and what to do."""


class References(msgspec.Struct, frozen=True):
    """The targets of references: variables by name, and the folder where relative paths of files start."""

    variables: Mapping[str, str]
    folder: Path = Path()

    def resolve(self, data: Any, path: str, problems: list[Problem]) -> Any:
        """Replace the references in every text of ``data``. One that cannot be resolved becomes a problem.

        In a section with ``enabled: false``, omit values with unresolvable references without a problem. Do not search
        the content of variables and files for further references.
        """
        if isinstance(data, dict):
            return self._section(data, path, problems)
        if isinstance(data, list):
            return [self.resolve(value, f"{path}[{n}]", problems) for n, value in enumerate(data)]
        if not isinstance(data, str):
            return data
        try:
            self._refuse_foreign(data, path)
            return self._expanded(data)
        except _Unresolved as error:
            problems.append(Problem(path, str(error)))
            return ""

    def _section(self, data: dict[Any, Any], path: str, problems: list[Problem]) -> dict[Any, Any]:
        resolved: dict[Any, Any] = {}
        off = False
        if "enabled" in data and path and path.rpartition(".")[0] in _SWITCHED:
            resolved["enabled"] = self.resolve(data["enabled"], f"{path}.enabled", problems)
            off = as_boolean(resolved["enabled"]) is False
        for key, value in data.items():
            if key in resolved:
                continue
            found: list[Problem] = []
            entry = self.resolve(value, f"{path}.{key}" if path else str(key), found)
            if not off:
                problems += found
            if not off or not found:
                resolved[key] = entry
        return {key: resolved[key] for key in data if key in resolved}

    def _refuse_foreign(self, text: str, path: str) -> None:
        secret = _SECRET.search(path) is not None
        if secret and _PLACEHOLDER.fullmatch(text.strip()):
            raise _Unresolved(
                f"'{text.strip()}' stands for a secret in an example; put yours into .env, and ${{NAME}} here."
            )
        found = _FOREIGN.fullmatch(text.strip())
        if found is None and secret:
            found = _IN_SECRETS.fullmatch(text.strip())
        if found is None or (found["file"] and not secret):
            return
        name, parts = next((name.strip() for name in found.groups()[1:] if name), ""), found.groupdict("")
        if parts.get("shell") and not found["form"].lower().startswith(("$(", "$env:")) and not self._looks_like(name):
            return  # a literal text such as $ecret
        form = f"{parts['sealed']}..." if parts.get("sealed") else found["form"]
        instead = f"; write ${{file:{found['file']}}}" if found["file"] else self._instead(name)
        raise _Unresolved(
            f"'{form}' is not a form of reference{instead}. {_SUPPORTED}. If you mean this text literally, put it into "
            "a variable or file: ORBIT does not expand their content."
        )

    def _looks_like(self, name: str) -> bool:
        return (len(name) > 1 and name == name.upper()) or name in self.variables

    @staticmethod
    def _instead(name: str) -> str:
        return f"; write ${{{name}}}" if _NAME.fullmatch(name) else ""

    def _expanded(self, text: str) -> str:
        """Return ``text`` with its references replaced. Raises _Unresolved."""
        parts: list[str] = []
        position = 0
        whole = False
        while opening := _OPENING.search(text, position):
            parts.append(text[position : opening.start()])
            if opening[0] == "$${":
                parts.append("${")
                position = opening.end()
                continue
            end = _closing(text, opening.end())
            parts.append(self._value(text[opening.end() : end]))
            position = end + 1
            whole = opening.start() == 0 and position == len(text)
        parts.append(text[position:])
        expanded = "".join(parts)
        return FromReference(expanded) if whole else expanded

    def _value(self, inside: str) -> str:
        if inside.startswith("file:"):
            return self._file(inside.removeprefix("file:"))
        found = _VARIABLE.fullmatch(inside)
        if found is None:
            # Show the beginning only: a default may be a secret.
            told = re.match(r"[\w. ]*", inside)
            assert told is not None
            form = f"${{{inside}}}" if told[0] == inside else f"${{{told[0]}...}}"
            raise _Unresolved(f"'{form}' is not a form of reference. {_SUPPORTED}; for a literal ${{ write $${{.")
        name, operator, rest = found["name"], found["operator"], found["rest"] or ""
        value = self.variables.get(name)
        if value and not is_utf8(value):
            raise _Unresolved(f"the environment variable {name} is not UTF-8 text.")
        if value or (value is not None and not operator):
            return value
        if operator == ":-":
            return self._expanded(rest)
        if operator == ":?":
            why = self._expanded(rest).strip() or "it must be set."
            state = "is not set" if value is None else "is empty"
            raise _Unresolved(f"the environment variable {name} {state}: {why}")
        raise _Unresolved(
            f"the environment variable {name} is not set. Set it, add it to .env beside the configuration, "
            f"or give a default: ${{{name}:-default}}."
        )

    def _file(self, given: str) -> str:
        named, _, default = given.partition(":-")
        name = self._expanded(named).strip()
        if not name:
            raise _Unresolved("'${file:}' names no file; write ${file:/run/secrets/NAME}.")
        file = self.folder / Path(name).expanduser()
        try:
            if not stat.S_ISREG(file.stat().st_mode):
                what = "a folder" if file.is_dir() else "not a regular file"
                raise _Unresolved(f"the secret cannot be read: {file} is {what}.")
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            if ":-" in given:
                return self._expanded(default)
            raise _Unresolved(f"the secret cannot be read: the file {file} does not exist.") from None
        except (OSError, ValueError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or "its name cannot be used"
            raise _Unresolved(f"the secret cannot be read: {file}: {reason}.") from None
        if len(data) > MAX_FILE_BYTES:
            raise _Unresolved(f"the secret cannot be read: {file} is larger than {MAX_FILE_BYTES // 1024} KiB.")
        try:
            return data.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise _Unresolved(f"the secret cannot be read: {file} is not UTF-8 text.") from None


def _closing(text: str, start: int) -> int:
    """Return the position of the brace that closes the one before ``start``. Raises _Unresolved."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    name = _NAME.match(text, start)
    form = f"${{{name[0]}" if name else "${"
    raise _Unresolved(f"'{form}' is never closed with }}. {_SUPPORTED}; for a literal ${{ write $${{.")
