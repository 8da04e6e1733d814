"""``POST /admin/collections/{collection}/documents``: ingests uploads and streams their progress."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from orbit.admin.names import check_name
from orbit.documents import (
    Failed,
    Input,
    Kept,
    Options,
    Origins,
    Progress,
    Removed,
    Shortened,
    Skipped,
    Summary,
    Warned,
    ingest,
)
from orbit.documents.file_metadata import metadata_of, readers_of
from orbit.errors import OrbitError
from orbit.types import CallContext
from orbit.web.api.admin.multipart import receive_files
from orbit.web.api.admin.running import MEDIA_TYPE, Running, Told, streamed
from orbit.web.http.body import UPLOAD_PIECE
from orbit.web.http.problems import RequestError
from orbit.web.http.request import request_id_of
from orbit.web.services import Services

logger = logging.getLogger("orbit.admin")

Metadata = Annotated[
    list[str] | None,
    QueryParameter(description="Fields for filters, such as year=2026; '' for none. Default: as before."),
]
Reader = Annotated[
    list[str] | None,
    QueryParameter(description="Groups that may read the files; '' for everybody. Default: as before."),
]


class ToldProgress(Told, frozen=True, tag="progress"):
    """Progress: files done and in total, and passages written.

    ``embedded`` of the ``waiting`` passages, the batch at work, have been embedded.
    """

    done: int
    total: int
    passages: int
    embedded: int
    waiting: int


class ToldSummary(Told, frozen=True, tag="summary"):
    """The last line: the outcome of every file, as ``orbit ingest`` reports it."""

    collection: str
    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    failed: tuple[Failed, ...]
    passages: int
    stopped: str
    shortened: tuple[Shortened, ...]
    removed: tuple[Removed, ...]
    kept: tuple[Kept, ...]
    warnings: tuple[Warned, ...]


@dataclass
class _UploadOperation(Operation):
    """The operation in the OpenAPI document, with the body that the handler reads itself."""

    def __post_init__(self) -> None:
        file = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        files = Schema(type=OpenAPIType.ARRAY, items=file)
        schema = Schema(type=OpenAPIType.OBJECT, properties={"files": files})
        self.request_body = RequestBody(content={"multipart/form-data": OpenAPIMediaType(schema=schema)}, required=True)


def upload_route(services: Services) -> Any:
    """Return the route of uploads."""
    settings = services.config.host.ingest

    @post(
        "/collections/{collection:str}/documents",
        status_code=200,
        media_type=MEDIA_TYPE,
        operation_class=_UploadOperation,
        request_max_body_size=settings.max_upload_bytes,
        summary="Put files into a collection, made if there is none; a line for each step tells how far it is",
    )
    async def upload(
        request: Request[Any, Any, Any],
        collection: FromPath[str],
        metadata: Metadata = None,
        reader: Reader = None,
    ) -> Stream:
        check_name(collection)
        try:
            facts, readers = metadata_of(metadata or ()), readers_of(reader or ())
        except OrbitError as error:
            raise RequestError(400, "invalid_metadata", str(error)) from error
        context = CallContext(request_id_of(request.scope), client_name="admin", collection=collection)
        async with AsyncExitStack() as stack:
            files = await _files(request, stack, settings.max_file_bytes, settings.max_upload_bytes)
            origins = Origins.of(services.host.data_dir)
            options = Options(
                settings.keep_unreadable,
                origins=origins,
                plugins=services.host.file_plugins,
                metadata=facts,
                readers=readers,
            )
            run = Running(
                lambda tell: ingest(services.host, collection, files, settings, context, tell, options),
                Progress(0, len(files), 0),
                lambda progress: msgspec.convert(progress, ToldProgress, from_attributes=True),
                _summary,
                services.config.host.timeouts.ping,
                context.request_id,
            )
            return await streamed(run, stack)

    return upload


async def _files(
    request: Request[Any, Any, Any], stack: AsyncExitStack, file_limit: int, limit: int
) -> Sequence[Input]:
    """Receive the files of the body in a folder that the stack deletes. Raises RequestError."""
    kind, options = request.content_type
    if kind != "multipart/form-data":
        raise RequestError(415, "unsupported_media_type", "send the files as multipart/form-data.")
    try:
        folder = tempfile.TemporaryDirectory(prefix="orbit-upload-", ignore_cleanup_errors=True)
        # Not awaited: after a client has left, an await here would be cancelled before it began.
        stack.callback(asyncio.get_running_loop().run_in_executor, None, folder.cleanup)
        files = await receive_files(_pieces(request), options.get("boundary", ""), Path(folder.name), file_limit)
    except RequestEntityTooLarge as error:
        detail = f"the upload is larger than {limit:,} bytes (ingest.max_upload_bytes); send fewer files at once."
        raise RequestError(413, "body_too_large", detail) from error
    except OSError as error:
        detail = f"the server cannot keep the upload until it is read: {error.strerror}."
        raise RequestError(507, "insufficient_storage", detail) from error
    except InternalServerException as error:
        detail = "the connection was closed before the whole upload had arrived."
        raise RequestError(400, "incomplete_body", detail) from error
    if not files:
        raise RequestError(400, "no_file", "there is no file in the upload.")
    return files


async def _pieces(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        request.scope["state"][UPLOAD_PIECE] = object()
        yield piece


def _summary(summary: Summary) -> ToldSummary:
    logger.info(
        "uploaded into %s: %d added, %d updated, %d unchanged, %d skipped, %d failed, %d removed",
        *(summary.collection, len(summary.added), len(summary.updated), len(summary.unchanged)),
        *(len(summary.skipped), len(summary.failed), len(summary.removed)),
    )
    return msgspec.convert(summary, ToldSummary, from_attributes=True)
