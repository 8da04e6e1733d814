"""Converts JSON schemas to grammars, so that even a small model answers in the right form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_cpp.llama_grammar import SchemaConverter, json_schema_to_gbnf

from orbit_llamacpp.tool_format import ToolFormat

_MOST_CALLS: Final = 8
_MOST_CHOICES: Final = 256
_OF_VALUES: Final = frozenset({"enum", "const", "pattern", "items"})
_LONGEST: Final = 100_000
"""Limit of a grammar in characters. The converter expands repetitions, and huge grammars overflow llama.cpp's stack."""


class SchemaError(Exception):
    """The schema cannot be converted to a grammar. ``option`` says whose schema it is."""

    def __init__(self, message: str, option: str = "json_schema") -> None:
        super().__init__(message)
        self.option = option


def grammar_of(schema: str) -> str:
    """Return the GBNF of a JSON schema in JSON. Raises SchemaError."""
    try:
        grammar: str = json_schema_to_gbnf(json.dumps(_spelt_out(json.loads(schema))))
    except SchemaError:
        raise
    except Exception as error:  # the converter raises anything
        raise SchemaError(f"the JSON schema cannot be converted to a grammar: {error!r}") from error
    if len(grammar) > _LONGEST:
        raise SchemaError("the JSON schema is too large: shorten its lists, or reduce its lengths and numbers of items")
    return grammar


def grammar_of_calls(form: ToolFormat, tools: Sequence[Mapping[str, Any]], *, opening: str, parallel: bool) -> str:
    """Return the GBNF of calls of these tools, from ``opening`` on. Raises SchemaError."""
    converter: Any = SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)  # type: ignore[no-untyped-call]  # it has no types
    choices = []
    for number, tool in enumerate(tools):
        function = tool["function"]
        try:
            arguments = _arguments(converter, function.get("parameters") or {}, number)
        except Exception as error:  # the converter raises anything
            sentence = f"the parameters of the tool '{function['name']}' cannot be converted to a grammar: {error!r}"
            raise SchemaError(sentence, "tools") from error
        choices.append(f"{_literal(function['name'] + form.between)} {arguments}")
    more = f" ({_literal(form.joint)} call){{0,{_MOST_CALLS - 1}}}" if parallel and form.joint else ""
    rules: str = converter.format_grammar()
    begin = f"{_literal(opening)} " if opening else ""
    root = f"root ::= {begin}call{more} {_literal(form.closing)}\ncall ::= {' | '.join(choices)}\n"
    grammar = root + rules
    if len(grammar) > _LONGEST:
        raise SchemaError("the parameters of the tools are too large: shorten them, or send fewer tools", "tools")
    return grammar


def _arguments(converter: Any, schema: dict[str, Any], number: int) -> str:
    """Return the name of the rule for a tool's arguments, or a rule without a name."""
    if not schema.get("properties") and not {"additionalProperties", "patternProperties", "$ref"} & schema.keys():
        return '"{" space "}"'
    resolved = converter.resolve_refs(_spelt_out({"type": "object", **schema}), f"tool{number}")
    rule: str = converter.visit(resolved, f"tool{number}")
    return rule


def _literal(text: str) -> str:
    """Return a text as a literal of GBNF, whose escapes are those of JSON."""
    return json.dumps(text)


def _spelt_out(schema: Any) -> Any:
    """Return the schema in words that the converter reads right: it ignores bounds, and takes each allOf for an object.

    Small ranges of integers become choices, and one schema in allOf stands for itself. Raises SchemaError for schemas
    that no value fits, or that the converter would read wrong.
    """
    if isinstance(schema, list):
        return [_spelt_out(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    parts = schema.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict):  # as pydantic writes a reference
        return _spelt_out({name: value for name, value in schema.items() if name != "allOf"} | parts[0])
    if isinstance(parts, list) and any(isinstance(part, dict) and part.keys() & _OF_VALUES for part in parts):
        raise SchemaError("the JSON schema joins values by allOf, which no grammar can say; join them yourself")
    if schema.get("type") == "integer" and (choices := _range(schema)) is not None:
        if not choices:
            raise SchemaError("the JSON schema has an integer whose maximum is below its minimum")
        if len(choices) <= _MOST_CHOICES:
            return {"enum": list(choices)}
    return {name: value if name in ("enum", "const") else _spelt_out(value) for name, value in schema.items()}


def _range(schema: dict[str, Any]) -> range | None:
    """Return the integers between both bounds of a schema; None if it lacks one."""
    low, high, above, below = (
        value if isinstance(value := schema.get(name), int) and not isinstance(value, bool) else None
        for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    )
    low = low if above is None else above + 1
    high = high if below is None else below - 1
    return None if low is None or high is None else range(low, high + 1)
