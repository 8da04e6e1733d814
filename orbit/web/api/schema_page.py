"""``/schema``: the OpenAPI document, and a page that shows it without a request to any other host."""

from __future__ import annotations

import base64
import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import msgspec
from litestar import Request, Router
from litestar.datastructures import ResponseHeader
from litestar.enums import OpenAPIMediaType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Server

from orbit.web.api.openapi import COMPONENTS, DESCRIPTION, complete

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { overflow: auto; padding: .75rem; border: 1px solid #8886; border-radius: 4px; }
details { border-top: 1px solid #8884; padding: .4rem 0; }
summary { cursor: pointer; }
summary code { font-weight: 600; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; frame-ancestors 'none'"


def openapi_config(root: str = "") -> OpenAPIConfig:
    """Return the configuration of Litestar's ``/schema``; clients see the server under the path ``root``."""
    policy = ResponseHeader(name="Content-Security-Policy", value=_POLICY)
    return OpenAPIConfig(
        title="ORBIT",
        version="1",
        description=DESCRIPTION,
        components=COMPONENTS,
        servers=[Server(url=root or "/")],
        openapi_router=Router("/schema", route_handlers=[], include_in_schema=False, response_headers=[policy]),
        render_plugins=[
            _Page(path="/"),
            _Json(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON),
            _Yaml(path=("/openapi.yaml", "/openapi.yml"), media_type=OpenAPIMediaType.OPENAPI_YAML),
        ],
    )


class _Once(OpenAPIRenderPlugin):
    """Renders a document once and keeps it: rendering takes longer than any other request."""

    _document: Mapping[str, Any] | None = None
    _rendered = b""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002  # Litestar's signature
        if self._document is not openapi_schema:
            self._document, self._rendered = openapi_schema, self._render(complete(openapi_schema))
        return self._rendered

    @abstractmethod
    def _render(self, document: Mapping[str, Any]) -> bytes: ...


class _Json(_Once):
    def _render(self, document: Mapping[str, Any]) -> bytes:
        return msgspec.json.encode(document)


class _Yaml(_Once):
    def _render(self, document: Mapping[str, Any]) -> bytes:
        return msgspec.yaml.encode(document)


class _Page(_Once):
    def _render(self, document: Mapping[str, Any]) -> bytes:
        return "".join(_page(document)).encode()


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
    yield f"<body><main><h1>{title}</h1><p>{escape(document['info']['description'])}</p>"
    root = escape(document["servers"][0]["url"].rstrip("/"))
    yield f'<p>For programs: <a href="{root}/schema/openapi.json">openapi.json</a>, '
    yield f'<a href="{root}/schema/openapi.yaml">openapi.yaml</a>.</p><h2>Routes</h2>'
    for path, item in document["paths"].items():
        for method, operation in item.items():
            what = escape(operation.get("summary", ""))
            yield f"<details><summary><code>{method.upper()} {escape(path)}</code> {what}</summary>"
            yield f"{_shown(operation)}</details>"
    yield "<h2>Shapes</h2>"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"<details><summary><code>{escape(name)}</code></summary>{_shown(schema)}</details>"
    yield "</main></body></html>"


def _shown(value: Any) -> str:
    return f"<pre>{escape(msgspec.json.format(msgspec.json.encode(value)).decode())}</pre>"
