"""The format of an answer, as the request names it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from orbit.web.wires.checks import ParameterError


class ResponseFormat(msgspec.Struct, frozen=True):
    """The format of the answer. ``schema`` is where clients of llama.cpp's server send it."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = None
    schema: dict[str, Any] | None = None


def format_of(form: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the format in the form of OpenAI's API."""
    if form is None or form.type == "text":
        return None
    named = form.json_schema
    if named is None and form.schema is not None:
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.schema}}
    return {"type": form.type} if named is None else {"type": form.type, "json_schema": named}


def schema_of(form: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the schema of an answer in JSON. Raises ParameterError."""
    if form is None or form.type == "text":
        return None
    schema = form.schema if form.json_schema is None else form.json_schema.get("schema")
    if isinstance(schema, dict):
        return schema
    if form.type == "json_object":
        return {"type": "object"}
    raise ParameterError("response_format", "'json_schema' must have a 'schema'.")
