"""OpenAPI operations of handlers that read their body or write their response themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)


@cache  # making a dataclass takes 0.2 ms
def operation(answer: type, body: type | None = None, stream: str = "") -> type[Operation]:
    """Return the operation class of a handler that Litestar cannot describe from its signature.

    ``body`` is None if it reads none. ``stream`` describes the server-sent events that come instead of ``answer`` if
    the request asks for a stream. The schemas of both types must be in ``orbit.web.api.openapi``.
    """

    @dataclass
    class Described(Operation):
        def __post_init__(self) -> None:
            content = {"application/json": OpenAPIMediaType(schema=reference(answer))}
            if stream:
                events = Schema(type=OpenAPIType.STRING, description=stream)
                content["text/event-stream"] = OpenAPIMediaType(schema=events)
            self.responses = {"200": OpenAPIResponse(description="OK", content=content)}
            if body is not None:
                json = OpenAPIMediaType(schema=reference(body))
                self.request_body = RequestBody(content={"application/json": json}, required=True)

    return Described


def reference(kind: type) -> Reference:
    """Return the reference to a type's schema."""
    return Reference(ref=f"#/components/schemas/{kind.__name__}")
