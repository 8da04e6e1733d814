"""Converts JSON schemas to grammars, so that even a small model answers in the right form."""

from __future__ import annotations

import json
from typing import Any, Final

from llama_cpp.llama_grammar import json_schema_to_gbnf

_MOST_CHOICES: Final = 256
_LONGEST: Final = 100_000
"""Limit of a grammar in characters. The converter expands repetitions, and huge grammars overflow llama.cpp's stack."""


class SchemaError(Exception):
    """The schema cannot be converted to a grammar."""


def grammar_of(schema: str) -> str:
    """Return the GBNF of a JSON schema in JSON. Raises SchemaError."""
    try:
        grammar: str = json_schema_to_gbnf(json.dumps(_spelt_out(json.loads(schema))))
    except Exception as error:  # the converter raises anything
        raise SchemaError(f"the JSON schema cannot be converted to a grammar: {error!r}") from error
    if len(grammar) > _LONGEST:
        raise SchemaError("the JSON schema is too large: shorten its lists, or reduce its lengths and numbers of items")
    return grammar


def _spelt_out(schema: Any) -> Any:
    """Return the schema with small integer ranges expanded to choices: the converter ignores bounds."""
    if isinstance(schema, list):
        return [_spelt_out(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema.get("type") == "integer" and isinstance(low, int) and isinstance(high, int):
        choices = range(low, high + 1)
        if 0 < len(choices) <= _MOST_CHOICES:
            return {"enum": list(choices)}
    return {key: value if key in ("enum", "const") else _spelt_out(value) for key, value in schema.items()}
