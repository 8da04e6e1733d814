"""JSON schemas as grammars, so that even a small model answers in form."""

from __future__ import annotations

import json
from typing import Any, Final

from llama_cpp.llama_grammar import json_schema_to_gbnf

_MOST_CHOICES: Final = 256
_LONGEST: Final = 100_000
"""Characters of a grammar. The converter writes repetitions out, and llama.cpp overflows its stack on huge ones."""


class SchemaError(Exception):
    """The schema cannot be made into a grammar."""


def grammar_of(schema: str) -> str:
    """GBNF for a JSON schema given as JSON. Raises SchemaError."""
    try:
        grammar: str = json_schema_to_gbnf(json.dumps(_spelt_out(json.loads(schema))))
    except Exception as error:  # the converter raises whatever its code runs into
        raise SchemaError(f"the JSON schema cannot be made into a grammar: {error!r}") from error
    if len(grammar) > _LONGEST:
        raise SchemaError("the JSON schema is too large: shorten its lists, or lower its lengths and numbers of items")
    return grammar


def _spelt_out(schema: Any) -> Any:
    """The same schema with small ranges of whole numbers written as choices: the converter knows no bounds."""
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
