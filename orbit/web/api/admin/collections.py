"""``/admin/collections``: lists and deletes collections and their documents."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get
from litestar.params import FromPath, QueryParameter

from orbit.admin.collections import CollectionDetails, CollectionInfo, DocumentPage
from orbit.admin.wire import Done
from orbit.documents.file_types import KNOWN
from orbit.web.api.admin.moves import collections_of, move_routes
from orbit.web.api.admin.upload import upload_route
from orbit.web.http.problems import RequestError
from orbit.web.services import Services

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="Documents in a page.")]
After = Annotated[str, QueryParameter(description="The document after which the page begins.")]
Contains = Annotated[str, QueryParameter(description="Part of the names that are wanted, in upper or lower case.")]
Confirm = Annotated[str, QueryParameter(description="The collection's name again.")]
Source = Annotated[str, QueryParameter(description="The document's name.")]


class Library(msgspec.Struct, frozen=True):
    """All collections of the store, and which files they accept.

    ``store`` names the stores, or is empty. ``can_remove`` tells whether all of them can delete single documents.
    ``embedding`` is the embedding model, ``readable`` lists file endings, and limits are in bytes.
    """

    store: str
    embedding: str
    can_remove: bool
    readable: tuple[str, ...]
    max_file_bytes: int
    max_upload_bytes: int
    collections: list[CollectionInfo]


def collection_routes(services: Services) -> list[Any]:
    """Return the routes of collections."""
    host = services.host
    settings = services.config.host.ingest

    @get("/collections", summary="All collections, and which files can be put into them")
    async def list_collections(request: Request[Any, Any, Any]) -> Library:
        stores = host.stores.names
        return Library(
            ", ".join(stores),
            host.embedding,
            bool(stores) and set(stores) <= set(host.registry.implementing("forget")),
            (*KNOWN, *(ending for ending in host.file_plugins.readers if ending not in KNOWN)),
            settings.max_file_bytes,
            settings.max_upload_bytes,
            await collections_of(services, request).every(),
        )

    @delete("/collections/{collection:str}", status_code=200, summary="Delete a collection with all its documents")
    async def drop_collection(
        request: Request[Any, Any, Any], collection: FromPath[str], confirm: Confirm = ""
    ) -> Done:
        if confirm != collection:
            raise RequestError(400, "not_confirmed", "to delete a collection, give its name again as ?confirm=NAME.")
        await collections_of(services, request).drop(collection)
        return Done("Collection deleted")

    @get("/collections/{collection:str}", summary="A collection in full")
    async def show_collection(request: Request[Any, Any, Any], collection: FromPath[str]) -> CollectionDetails:
        return await collections_of(services, request).show(collection)

    @get("/collections/{collection:str}/documents", summary="The documents of a collection, by name")
    async def list_documents(
        request: Request[Any, Any, Any],
        collection: FromPath[str],
        after: After = "",
        limit: Limit = 100,
        contains: Contains = "",
    ) -> DocumentPage:
        return await collections_of(services, request).documents(collection, contains, after, limit)

    @delete("/collections/{collection:str}/documents", status_code=200, summary="Take a document out of a collection")
    async def remove_document(request: Request[Any, Any, Any], collection: FromPath[str], source: Source) -> Done:
        await collections_of(services, request).remove(collection, [source])
        return Done("Document removed")

    return [
        list_collections,
        show_collection,
        drop_collection,
        list_documents,
        remove_document,
        *move_routes(services),
        upload_route(services),
    ]
