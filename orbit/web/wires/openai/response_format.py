"""The format of an answer, as the request names it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from orbit.web.wires.checks import ParameterError


class ResponseFormat(msgspec.Struct, frozen=True):
    """The format of the answer."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = None


def format_of(form: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the format as the client sent it."""
    if form is None or form.type == "text":
        return None
    return {"type": form.type} if form.json_schema is None else {"type": form.type, "json_schema": form.json_schema}


def schema_of(form: ResponseFormat | None) -> dict[str, Any] | None:
    """Return the schema of an answer in JSON. Raises ParameterError."""
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "object"}
    schema = (form.json_schema or {}).get("schema")
    if not isinstance(schema, dict):
        raise ParameterError("response_format", "'json_schema' must have a 'schema'.")
    return schema
