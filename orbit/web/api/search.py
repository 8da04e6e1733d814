"""``POST /search``: the passages of a question, without an answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Router, post
from litestar.params import JSONBody
from msgspec import Meta

from orbit.chat.turn import Turn
from orbit.types import Source
from orbit.web.api.documents import collection_of
from orbit.web.http.body import check_length
from orbit.web.http.problems import RequestError
from orbit.web.key_guard import charged, context_of, guarded_router, identity_of, place_beside_chats
from orbit.web.services import Services
from orbit.web.wires.checks import filter_of


class SearchRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /search``."""

    question: Annotated[str, Meta(description="What to search for.", extra_json_schema={"minLength": 1})]
    collection: Annotated[
        str | None, Meta(description="The collection; it must be the key's, which is also the default.")
    ] = None
    filter: Annotated[
        dict[str, Any] | None, Meta(description="A condition on the passages, as `POST /chat` takes it.")
    ] = None


class SearchResponse(msgspec.Struct, frozen=True):
    """The passages that a model would read, best first. ``collection`` is empty if the key has none."""

    collection: str
    passages: tuple[Source, ...]


def search_routes(services: Services) -> Router:
    """Return the route that searches the caller's collection."""
    largest = services.config.host.limits.max_body_bytes

    @post("/", status_code=200, request_max_body_size=largest, summary="Search without an answer")
    async def search(request: Request[Any, Any, Any], data: JSONBody[SearchRequest]) -> SearchResponse:
        identity = identity_of(request)
        collection = collection_of(services, identity)
        if data.collection is not None and data.collection != collection:
            own = f"it searches '{collection}'" if collection else "it has none"
            detail = f"This key cannot search the collection '{data.collection[:200]}': {own}."
            raise RequestError(403, "other_collection", detail)
        if not data.question.strip():
            raise RequestError(400, "empty_message", 'The question is empty. Expected {"question": "..."}.')
        check_length(data.question, services.config.host.limits.max_message_chars)
        turn = Turn(data.question, context_of(request.scope, identity), filter=filter_of(data.filter))
        async with place_beside_chats(services, request.scope), charged(services, identity):
            passages = await services.pipeline.search(turn)
        return SearchResponse(collection, passages)

    return guarded_router(services, "/search", [search], tags=["chat"])
