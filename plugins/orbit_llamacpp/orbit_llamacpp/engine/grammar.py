"""Converts JSON schemas to grammars, so that even a small model answers in the right form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_cpp.llama_grammar import PRIMITIVE_RULES, SchemaConverter

from orbit_llamacpp.engine.bounds import bounded
from orbit_llamacpp.tool_format import ToolFormat

_MOST_CALLS: Final = 8
_OF_VALUES: Final = frozenset({"enum", "const", "pattern", "items"})
_REMARKS: Final = frozenset(
    {
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$schema", "$id", "$anchor", "$comment", "$defs", "definitions"),
    }
)
"""Words of a schema that exclude no value."""
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
        converter = _Converter()
        converter.visit(converter.resolve_refs(_spelt_out(json.loads(schema)), "stdin"), "")
        grammar = converter.gbnf()
    except SchemaError:
        raise
    except Exception as error:  # the converter raises anything
        raise SchemaError(f"the JSON schema cannot be converted to a grammar: {error!r}") from error
    if len(grammar) > _LONGEST:
        raise SchemaError("the JSON schema is too large: shorten its lists, or reduce its lengths and numbers of items")
    return grammar


def grammar_of_calls(form: ToolFormat, tools: Sequence[Mapping[str, Any]], *, opening: str, parallel: bool) -> str:
    """Return the GBNF of calls of these tools, from ``opening`` on. Raises SchemaError."""
    converter = _Converter()
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
    rules = converter.gbnf()
    begin = f"{_literal(opening)} " if opening else ""
    root = f"root ::= {begin}call{more} {_literal(form.closing)}\ncall ::= {' | '.join(choices)}\n"
    grammar = root + rules
    if len(grammar) > _LONGEST:
        raise SchemaError("the parameters of the tools are too large: shorten them, or send fewer tools", "tools")
    return grammar


class _Converter(SchemaConverter):
    """The converter, with what it lacks: bounds of numbers, types beside other words, and schemas of any value."""

    def __init__(self) -> None:
        super().__init__(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)  # type: ignore[no-untyped-call]  # it has no types

    def gbnf(self) -> str:
        """Return all rules."""
        rules: str = self.format_grammar()  # type: ignore[no-untyped-call]  # the same
        return rules

    def visit(self, schema: Any, name: str) -> str:
        """Add the rule of a schema, and return the rule's name."""
        if name and (schema is True or (isinstance(schema, dict) and schema.keys() <= _REMARKS)):
            anything: str = self._add_primitive("value", PRIMITIVE_RULES["value"])
            return anything
        if isinstance(kinds := schema.get("type"), list):
            schema = {"anyOf": [{**schema, "type": kind} for kind in kinds]}
        elif schema.get("items") == {}:  # the converter takes it for none
            schema = {**schema, "items": True}
        elif kinds in ("integer", "number") and not {"enum", "const"} & schema.keys():
            numbers = bounded(schema)
            if numbers == "":
                raise SchemaError("the JSON schema has a number whose maximum is below its minimum")
            if numbers is not None:
                rule: str = self._add_rule(name or "root", f"({numbers}) space")  # type: ignore[no-untyped-call]  # the same
                return rule
        visited: str = super().visit(schema, name)  # type: ignore[no-untyped-call]  # the same
        return visited


def _arguments(converter: _Converter, schema: dict[str, Any], number: int) -> str:
    """Return the name of the rule for a tool's arguments, or a rule without a name."""
    if not schema.get("properties") and not {"additionalProperties", "patternProperties", "$ref"} & schema.keys():
        return '"{" space "}"'
    resolved = converter.resolve_refs(_spelt_out({"type": "object", **schema}), f"tool{number}")
    return converter.visit(resolved, f"tool{number}")


def _literal(text: str) -> str:
    """Return a text as a literal of GBNF, whose escapes are those of JSON."""
    return json.dumps(text)


def _spelt_out(schema: Any) -> Any:
    """Return the schema in words that the converter reads right: it takes each allOf for an object.

    One schema in allOf stands for itself. Raises SchemaError for several that the converter would read wrong.
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
    return {name: value if name in ("enum", "const") else _spelt_out(value) for name, value in schema.items()}
