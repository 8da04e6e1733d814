"""``GET /documents/...``: the ingested files behind the sources of answers, if ``documents.serve`` allows it.

The files may hold anything, and they come from the server's own origin. So no script of theirs runs: what browsers
cannot show safely is a download, and pages and texts have a policy that forbids everything else. The server adds
``nosniff`` to every response.
"""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncIterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

from litestar import Request, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from orbit.auth.document_links import DocumentLinks
from orbit.auth.keys import Identity
from orbit.chat.answer.links import PATH
from orbit.database.keys import UnknownKey
from orbit.documents import Origins
from orbit.documents.file_types import TEXT
from orbit.errors import UnreadableError
from orbit.types import CallContext
from orbit.web.api.lines import in_lines
from orbit.web.http.problems import RequestError
from orbit.web.http.request import header, request_id_of
from orbit.web.key_guard import API_KEY, admit, admit_key, identity_of, place_beside_chats
from orbit.web.services import Services

_PIECE = 256 * 1024
_PDF = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
"""The policy of PDF files. Chromium's viewer, which has a sandbox of its own, does not start in another one."""
_REST = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
_MOST_LINED = 5_000_000
"""Bytes of the largest text that is shown line by line; browsers show a larger one faster as it is."""
_HTML = frozenset({".html", ".htm", ".xhtml"})


def document_routes(services: Services) -> list[Any]:
    """Return the route of documents; none unless ``documents.serve`` is on."""
    seals = services.document_links
    if seals is None:
        return []
    origins = Origins.of(services.host.data_dir)
    encoding = services.config.host.ingest.encoding or "windows-1252"

    async def readers_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        query = connection.query_params
        if "seal" in query:
            source = connection.path_params["source"].removeprefix("/")
            asked = (query.get("key", ""), source, query.get("until", ""), query["seal"])
            await admit_key(services, connection.scope, await _sealed(services, seals, *asked))
        else:
            await admit(services, connection.scope, header(connection.scope, b"x-api-key"))

    @get(
        f"{PATH}{{source:path}}",
        guards=[readers_only],
        summary="A file of the key's collection, as it is now",
        tags=["chat"],
        security=[{API_KEY: []}],
    )
    async def show_document(request: Request[Any, Any, Any], source: FromPath[str]) -> Stream:
        name = source.removeprefix("/")
        collection = collection_of(services, identity_of(request))
        async with place_beside_chats(services, request.scope):
            context = CallContext(request_id_of(request.scope), collection=collection)
            # Only what the collection holds now: somebody may have removed the document, or renamed the collection.
            if not collection or name not in await services.host.list_sources(collection, context):
                raise _missing(name)
            groups = identity_of(request).key.groups
            if not await services.host.may_read(collection, name, groups, context):
                raise _missing(name)
            file = await asyncio.to_thread(origins.find, collection, name)
            if file is None:
                raise _missing(name)
            try:
                opened = await asyncio.to_thread(file.open)
            except (UnreadableError, OSError) as error:
                raise _missing(name) from error
        beginning = await asyncio.to_thread(opened.read, _PIECE)
        size = os.fstat(opened.fileno()).st_size
        headers, pieces = _headers(name, beginning, encoding), _pieces(opened, beginning, size)
        kind, _, charset = headers["Content-Type"].partition("; charset=")
        if kind == "text/plain" and "lines" in request.query_params and size <= _MOST_LINED:
            headers["Content-Type"] = "text/html; charset=utf-8"
            pieces = in_lines(pieces, PurePosixPath(name).name, _codec(beginning, charset))
        else:
            headers["Content-Length"] = str(size)
        return Stream(pieces, headers=headers)

    return [show_document]


def collection_of(services: Services, identity: Identity) -> str:
    """Return the collection that a key reads; empty if it has none."""
    return identity.key.collection_name or services.host.default_collection


async def _sealed(
    services: Services, seals: DocumentLinks, key_id: str, source: str, until: str, seal: str
) -> Identity:
    """Return the identity for which a link was sealed. Raises RequestError."""
    try:
        key = await services.database.get_key(key_id)
    except UnknownKey:
        raise _expired() from None
    identity = Identity(key)
    valid = seals.holds(key_id, collection_of(services, identity), source, until, seal)
    if not valid or not key.works():
        raise _expired()
    return identity


def _expired() -> RequestError:
    return RequestError(403, "link_expired", "This link is not valid any more. Ask the question again for a new one.")


def _missing(name: str) -> RequestError:
    return RequestError(404, "not_found", f"There is no document '{name[:200]}' that the server may show.")


def _headers(name: str, beginning: bytes, encoding: str) -> dict[str, str]:
    ending = PurePosixPath(name).suffix.lower()
    kind, shown, policy = "application/octet-stream", "attachment", _REST
    if ending == ".pdf":
        kind, shown, policy = "application/pdf", "inline", _PDF
    elif ending in _HTML:
        kind, shown = "text/html", "inline"
    elif ending in TEXT:
        kind, shown = f"text/plain; charset={_charset(beginning, encoding)}", "inline"
    return {
        "Content-Type": kind,
        "Content-Disposition": f"{shown}; filename*=UTF-8''{quote(PurePosixPath(name).name, safe='')}",
        "Content-Security-Policy": policy,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
    }


def _charset(beginning: bytes, encoding: str) -> str:
    """Return UTF-8 if the text may be in it. Browsers follow a byte order mark whatever the header says."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        return encoding
    return "utf-8"


def _codec(beginning: bytes, charset: str) -> str:
    """Return the codec of a text, which a byte order mark decides for browsers, too."""
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig" if charset == "utf-8" else charset


async def _pieces(file: BinaryIO, beginning: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield the file, of the size that it had when it was opened, and close it."""
    with file:
        left, piece = size, beginning
        while piece and left > 0:
            yield piece[:left]
            left -= len(piece)
            piece = await asyncio.to_thread(file.read, _PIECE) if left > 0 else b""
