"""The files of the pages: read once, compressed when a browser first asks, at URLs that change with their content."""

from __future__ import annotations

import gzip
import hashlib
import html
import mimetypes
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from orbit.web.http.problems import RequestError
from orbit.web.pages.headers import file_headers

STATIC = Path(__file__).parent / "static"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_COMPRESSED = 100
"""Files that stay compressed in memory: all of the pages, and some of the configuration before a reload."""


class Content(msgspec.Struct, frozen=True):
    """A file to serve, and its headers."""

    body: bytes
    media_type: str
    etag: str
    headers: dict[str, str]

    @classmethod
    def of(cls, body: bytes, media_type: str, headers: Mapping[str, str]) -> Content:
        """Derive the ETag."""
        etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        return cls(body, media_type, etag, {**headers, "ETag": etag})

    def response(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return the response, 304 if the browser has the content already."""
        headers = {**self.headers, "Vary": "Accept-Encoding"}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if self.etag in known:
            return Response(b"", status_code=304, headers=headers)
        if self.media_type.startswith("font/") or "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.body, media_type=self.media_type, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(_compressed(self.body), media_type=self.media_type, headers=headers)


class Assets:
    """All files below a folder. ``base`` is their URL path, which holds a digest of them all.

    A page refers to files by ``base``, and files refer to each other relatively, so browsers may cache them for ever.
    """

    def __init__(self, folder: Path = STATIC, root: str = "") -> None:
        """``root`` is the path under which browsers see the server."""
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        bodies = {name: path.read_bytes() for name, path in files.items()}
        digest = hashlib.sha256()
        for name, body in bodies.items():
            digest.update(f"{name}\0{len(body)}\0".encode() + body)
        self._version = digest.hexdigest()[:16]
        self.base = f"{root}/assets/{self._version}"
        self._templates = {name: body.decode() for name, body in bodies.items() if name.endswith(".html")}
        headers = {**file_headers(), "Cache-Control": _FOREVER}
        self._served = {
            name: Content.of(body, _media_type(name), headers)
            for name, body in bodies.items()
            if name not in self._templates
        }

    def page(self, name: str, headers: Mapping[str, str], **values: str) -> Content:
        """Return an HTML file with ``$assets`` and the escaped values filled in; browsers revalidate it each time."""
        escaped = {key: html.escape(value) for key, value in values.items()}
        text = Template(self._templates[name]).substitute(escaped, assets=self.base)
        return Content.of(text.encode(), "text/html", {**headers, "Cache-Control": _ASK_AGAIN})

    def file(self, name: str, headers: Mapping[str, str]) -> Content:
        """Return a file for a fixed URL; browsers revalidate it each time."""
        content = self._served[name]
        return Content.of(content.body, content.media_type, {**headers, "Cache-Control": _ASK_AGAIN})

    def routes(self) -> list[Any]:
        """Return the route of all files."""

        @get("/assets/{version:str}/{file:path}", include_in_schema=False)
        async def asset(
            request: Request[Any, Any, Any], version: FromPath[str], file: FromPath[str]
        ) -> Response[bytes]:
            content = self._served.get(file.lstrip("/"))
            if version != self._version or content is None:
                raise RequestError(404, "not_found", "There is no such file; reload the page.")
            return content.response(request)

        return [asset]


def content_route(path: str, content: Content) -> Any:
    """Return the route of one page or file."""

    @get(path, include_in_schema=False)
    async def show(request: Request[Any, Any, Any]) -> Response[bytes]:
        return content.response(request)

    return show


@lru_cache(_COMPRESSED)
def _compressed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


def _media_type(name: str) -> str:
    if name.endswith(".js"):
        return "text/javascript"  # some systems map it to something else
    if name.endswith(".woff2"):
        return "font/woff2"  # some systems do not know it
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
