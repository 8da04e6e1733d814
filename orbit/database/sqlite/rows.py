"""The columns to select, and the records made of their rows."""

# ruff: noqa: S608 - the SQL is put together from constants of this file

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from orbit.database.keys import ApiKey, FormerSecret, UnknownKey
from orbit.database.prompts import SystemPrompt, UnknownPrompt

KEY_COLUMNS = (
    "id, digest, hint, client_name, collection_name, system_prompt_id, active, notes, created_at, expires_at,"
    " requests_per_minute, models, requests_per_day, requests_per_month, tokens_per_day, tokens_per_month,"
    " groups"
)
PROMPT_COLUMNS = "id, name, prompt, version, created_at, updated_at, revision"
SELECT_PROMPTS = f"SELECT {PROMPT_COLUMNS} FROM system_prompts"
SELECT_KEYS = f"""
    SELECT {", ".join(f"k.{column.strip()}" for column in KEY_COLUMNS.split(","))}, f.digest, f.hint, f.expires_at
    FROM api_keys k LEFT JOIN former_secrets f ON f.key_id = k.id
"""


def key_row(key: ApiKey) -> list[Any]:
    """Return the values of ``KEY_COLUMNS`` for a key."""
    return [stored(getattr(key, column.strip())) for column in KEY_COLUMNS.split(",")]


def stored(value: Any) -> Any:
    """Return a field of a record as its column has it: several values as JSON."""
    return msgspec.json.encode(value).decode() if isinstance(value, tuple) else value


def keys_of(rows: Any) -> Iterator[ApiKey]:
    """Yield records from the rows of ``SELECT_KEYS``, which repeat a key for each former secret."""
    key: ApiKey | None = None
    for *fields, digest, hint, expires_at in rows:
        if key is None or key.id != fields[0]:
            if key is not None:
                yield key
            fields[6] = bool(fields[6])
            for place in (11, 16):  # models and groups
                fields[place] = msgspec.json.decode(fields[place], type=tuple[str, ...])
            key = ApiKey(*fields)
        if digest is not None:
            key = msgspec.structs.replace(key, former=(*key.former, FormerSecret(digest, hint, expires_at)))
    if key is not None:
        yield key


def one_key(rows: Any) -> ApiKey:
    """Return the key of the rows of ``SELECT_KEYS``. Raises UnknownKey."""
    key = next(keys_of(rows), None)
    if key is None:
        raise UnknownKey
    return key


def one_prompt(rows: Any, reference: str) -> SystemPrompt:
    """Return the prompt of a row of ``SELECT_PROMPTS``. Raises UnknownPrompt, which names the ``reference``."""
    for row in rows:
        return SystemPrompt(*row)
    raise UnknownPrompt(reference)
