"""``POST /v1/embeddings``, for any holder of a key."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec
from litestar import Request, post
from msgspec import Meta

from orbit.host.host import OrbitHost
from orbit.host.models.catalogue import UnknownModel
from orbit.types import CallContext
from orbit.upstreams import listed_name
from orbit.web.http.operation import operation
from orbit.web.services import Services
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.openai.non_chat import answered, words_of
from orbit.web.wires.parameters import EMBEDDING

if TYPE_CHECKING:
    from orbit.types import Vectors

_BATCH = 2048

Input: TypeAlias = str | Annotated[list[str | int | list[int]], Meta(min_length=1)]
"""A text, several texts, the tokens of a text, or those of several."""


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The body of a request for embeddings."""

    model: str
    input: Input
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one input, as numbers or as float32 in base64."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """The tokens that the client sent, or the words of its texts: embedding providers do not count tokens."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(msgspec.Struct, frozen=True):
    """The vectors of all inputs, in order."""

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: str = "list"


_decoder = msgspec.json.Decoder(EmbeddingRequest)
_EXPECTED = 'Expected {"model": "...", "input": "..." or ["...", ...]}.'


def embedding_models(host: OrbitHost) -> tuple[str, ...]:
    """Return the names of the embedding model; empty if there is none."""
    name = host.roles.embed
    return (host.registry.model(name, "embed") or name,) if name else ()


def embedding_route(services: Services) -> Any:
    """Return the route of embeddings."""

    @post(
        "/embeddings",
        status_code=200,
        operation_id="embeddings",
        operation_class=operation(EmbeddingList, EmbeddingRequest),
        summary="Embed texts",
    )
    async def embeddings(request: Request[Any, Any, Any]) -> EmbeddingList:
        return await answered(services, request, _decoder, _EXPECTED, EMBEDDING, partial(_embed, services.host))

    return embeddings


async def _embed(host: OrbitHost, request: EmbeddingRequest, context: CallContext) -> EmbeddingList:
    models = embedding_models(host)
    if listed_name(request.model, models) is None:
        raise UnknownModel(request.model, models, "embedding")
    vectors, read = await _vectors(host, request.input, context)
    if request.dimensions not in (None, vectors.shape[1]):
        raise ParameterError("dimensions", f"This model's vectors have {vectors.shape[1]} dimensions.")
    encode: Callable[[Any], list[float] | str] = _base64 if request.encoding_format == "base64" else _floats
    data = [Embedding(index, encode(vector)) for index, vector in enumerate(vectors)]
    return EmbeddingList(data, request.model, EmbeddingUsage(read, read))


async def _vectors(host: OrbitHost, given: Input, context: CallContext) -> tuple[Vectors, int]:
    """Return the vectors of the inputs, and how much was read: tokens or words. Raises ParameterError."""
    items = [given] if isinstance(given, str) else given
    texts = [item for item in items if isinstance(item, str)]
    tokens = [item for item in items if isinstance(item, list)]
    if not texts and not tokens:
        tokens = [[item for item in items if isinstance(item, int)]]
    elif max(len(texts), len(tokens)) != len(items):
        raise ParameterError("input", "The input must be either texts, or tokens, or lists of tokens.")
    if len(items) > _BATCH and (texts or len(tokens) > 1):
        raise ParameterError("input", f"The input has {len(items)} texts; at most {_BATCH} are allowed.")
    if not all(texts or tokens):
        raise ParameterError("input", "An input must not be empty.")
    if texts:
        return await host.embed(texts, "document", context), words_of(texts)
    if not host.embeds_tokens:
        detail = (
            "The embedding model takes text, not numbers of tokens. "
            "LangChain's OpenAIEmbeddings sends text with check_embedding_ctx_length=False."
        )
        raise ParameterError("input", detail)
    return await host.embed_tokens(tokens, context), sum(map(len, tokens))


def _floats(vector: Any) -> list[float]:
    values: list[float] = vector.tolist()
    return values


def _base64(vector: Any) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
