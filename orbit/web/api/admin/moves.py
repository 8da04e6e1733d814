"""``POST /admin/collections/{collection}/...``: renames, copies and re-embeds collections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import msgspec
from litestar import Request, post
from litestar.params import FromPath, JSONBody
from litestar.response import Stream

from orbit.admin.collections import Collections, CopyProgress, Moved, NewName, Tell
from orbit.web.api.admin.running import MEDIA_TYPE, Running, Told, streamed
from orbit.web.http.request import request_id_of
from orbit.web.services import Services


class ToldCopy(Told, frozen=True, tag="progress"):
    """Progress: passages done, of all."""

    passages: int
    total: int


class ToldMoved(Told, frozen=True, tag="summary"):
    """The last line: the collection as it is now."""

    collection: str
    passages: int
    embedding: str
    keys: int
    previous: str
    default: bool


def collections_of(services: Services, request: Request[Any, Any, Any]) -> Collections:
    """Return the collections, as the request of an administrator changes them."""
    return Collections(services.host, services.database, request_id_of(request.scope))


def move_routes(services: Services) -> list[Any]:
    """Return the routes."""

    async def moving(request: Request[Any, Any, Any], work: Callable[[Tell], Awaitable[Moved]]) -> Stream:
        run = Running(
            work,
            CopyProgress(0, 0),
            lambda progress: msgspec.convert(progress, ToldCopy, from_attributes=True),
            lambda moved: msgspec.convert(moved, ToldMoved, from_attributes=True),
            services.config.host.timeouts.ping,
            request_id_of(request.scope),
        )
        async with AsyncExitStack() as stack:
            return await streamed(run, stack)

    @post("/collections/{collection:str}/rename", status_code=200, summary="Rename a collection; its keys follow")
    async def rename_collection(
        request: Request[Any, Any, Any], collection: FromPath[str], data: JSONBody[NewName]
    ) -> Moved:
        return await collections_of(services, request).rename(collection, data.name)

    @post(
        "/collections/{collection:str}/copy",
        status_code=200,
        media_type=MEDIA_TYPE,
        summary="Copy a collection; a line for each step tells how far it is",
    )
    async def copy_collection(
        request: Request[Any, Any, Any], collection: FromPath[str], data: JSONBody[NewName]
    ) -> Stream:
        return await moving(request, lambda tell: collections_of(services, request).copy(collection, data.name, tell))

    @post(
        "/collections/{collection:str}/re-embed",
        status_code=200,
        media_type=MEDIA_TYPE,
        summary="Give a collection vectors of the model in use; a line for each step tells how far it is",
    )
    async def re_embed_collection(request: Request[Any, Any, Any], collection: FromPath[str]) -> Stream:
        return await moving(request, lambda tell: collections_of(services, request).re_embed(collection, tell))

    return [rename_collection, copy_collection, re_embed_collection]
