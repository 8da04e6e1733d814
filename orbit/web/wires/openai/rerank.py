"""``POST /v1/rerank``, with the fields of Jina's, Cohere's, vLLM's and llama.cpp's servers."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Router, post
from msgspec import Meta

from orbit.host.calls.calls import call, is_list_of, wrong_type
from orbit.host.models.catalogue import ALIAS, UnknownModel
from orbit.types import CallContext, Document, Query
from orbit.upstreams import listed_name
from orbit.web.http.operation import operation
from orbit.web.http.own_router import OwnRouter
from orbit.web.services import Services
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.openai.non_chat import answered, words_of
from orbit.web.wires.parameters import RANKING

RERANK: Final = "/rerank"
PATHS: Final = (RERANK, "/v2/rerank")
"""The paths beside ``/v1/rerank``: those of Jina's and vLLM's clients, and of Cohere's second version."""
_MOST: Final = 1000


class RerankText(msgspec.Struct, frozen=True):
    """The text of a document."""

    text: str


class RerankRequest(msgspec.Struct, frozen=True):
    """The body of a request to rank documents. Without ``model``, the last reranker of the configuration ranks."""

    query: str
    documents: Annotated[list[str | RerankText], Meta(min_length=1)]
    model: str = ""
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = True


class RankedDocument(msgspec.Struct, frozen=True):
    """A document's place in the request, and how well it answers the question, from 0 to 1."""

    index: int
    relevance_score: float
    document: RerankText | msgspec.UnsetType = msgspec.UNSET


class RerankUsage(msgspec.Struct, frozen=True):
    """The words of question and documents: rerankers do not count tokens."""

    prompt_tokens: int
    total_tokens: int


class Ranking(msgspec.Struct, frozen=True):
    """The documents, best first."""

    id: str
    model: str
    results: tuple[RankedDocument, ...]
    usage: RerankUsage
    object: str = "list"


_decoder = msgspec.json.Decoder(RerankRequest)
_EXPECTED = 'Expected {"model": "...", "query": "...", "documents": ["...", ...]}.'


def rerank_routes(services: Services, security: list[Any]) -> tuple[Any, Router]:
    """Return the route below ``/v1``, and the router of the same at its other paths."""
    described = operation(Ranking, RerankRequest)

    @post(RERANK, status_code=200, operation_id="rerank", operation_class=described, summary="Rank documents")
    async def rerank(request: Request[Any, Any, Any]) -> Ranking:
        return await answered(services, request, _decoder, _EXPECTED, RANKING, partial(_ranked, services))

    @post(list(PATHS), status_code=200, include_in_schema=False)
    async def rerank_elsewhere(request: Request[Any, Any, Any]) -> Ranking:
        return await answered(services, request, _decoder, _EXPECTED, RANKING, partial(_ranked, services))

    return rerank, OwnRouter("/", route_handlers=[rerank_elsewhere], security=security)


async def _ranked(services: Services, request: RerankRequest, context: CallContext) -> Ranking:
    name, model = _reranker(services, request.model)
    texts = [item if isinstance(item, str) else item.text for item in request.documents]
    if not request.query.strip():
        raise ParameterError("query", "The query must not be empty.")
    if len(texts) > _MOST:
        raise ParameterError("documents", f"There are {len(texts)} documents; at most {_MOST} are allowed.")
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    host = services.host
    limit = min(request.top_n or len(texts), len(texts))
    caller = host.registry.caller("rerank", name)
    invoke = partial(caller, query=Query(request.query), documents=documents, limit=limit, context=context)
    found = await call(name, "rerank", invoke, host.config.host.timeouts.rerank)
    if not is_list_of(found, Document):
        raise wrong_type(name, "rerank", "a list of Documents", found)
    results = tuple(
        [
            RankedDocument(
                int(document.id),
                1 / (place + 1) if document.score is None else document.score,
                RerankText(document.text) if request.return_documents else msgspec.UNSET,
            )
            for place, document in enumerate(found[:limit])
        ]
    )
    words = words_of([request.query, *texts])
    return Ranking(f"rerank-{context.request_id}", request.model or model, results, RerankUsage(words, words))


def _reranker(services: Services, asked: str) -> tuple[str, str]:
    """Return the instance that ranks for a model, and the model's name. Raises UnknownModel."""
    registry = services.host.registry
    models = {registry.model(name, "rerank") or name: name for name in registry.implementing("rerank")}
    found = next(reversed(models), None) if asked in ("", ALIAS) else listed_name(asked, tuple(models))
    if found is None:
        by_instance = {name: model for model, name in models.items()}
        found = by_instance.get(asked)
    if found is None:
        raise UnknownModel(asked, tuple(models), "reranking")
    return models[found], found
