"""``GET /v1/models`` and ``POST /v1/embeddings``, for any holder of a key."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from msgspec import Meta

from orbit.host.host import OrbitHost
from orbit.host.model_list import ModelInfo, known_models
from orbit.host.models.catalogue import ALIAS, Catalogue, UnknownModel
from orbit.types import CallContext, Capability
from orbit.upstreams import listed_name
from orbit.web.http.operation import operation
from orbit.web.http.request import bearer, request_id_of
from orbit.web.services import Services
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.openai.beside import decoded, words_of

_BATCH = 2048


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """The body of a request for embeddings."""

    model: str
    input: str | Annotated[list[str | int | list[int]], Meta(min_length=1)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class ListedModel(msgspec.Struct, frozen=True):
    """A model, for clients of OpenAI's API and of Anthropic's, which read the last three fields.

    ``created`` is when the configuration was written, in Unix seconds; ``created_at`` is the same in RFC 3339.
    ``context_length`` is in tokens. It is null, and ``supports`` empty, if the model's server has not told.
    """

    id: str
    owned_by: str
    object: str = "model"
    created: int = 0
    context_length: int | None = None
    supports: tuple[Capability, ...] = ()
    type: str = "model"
    display_name: str = ""
    created_at: str = ""


class ModelList(msgspec.Struct, frozen=True):
    """All models that a request may name. The last three fields are for clients of Anthropic's API, which has pages."""

    data: tuple[ListedModel, ...]
    object: str = "list"
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class Embedding(msgspec.Struct, frozen=True):
    """The vector of one input, as numbers or as float32 in base64."""

    index: int
    embedding: list[float] | str
    object: str = "embedding"


class EmbeddingUsage(msgspec.Struct, frozen=True):
    """The words of the inputs: embedding providers do not count tokens."""

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


def model_routes(services: Services) -> list[Any]:
    """Return the routes of models and embeddings."""
    host = services.host
    catalogue = host.catalogue

    async def allowed(request: Request[Any, Any, Any]) -> tuple[str, ...]:
        """Return the models of the request's key. Lists of models do not count towards its limit."""
        return (await services.authenticator.authenticate(bearer(request.scope))).key.models

    @get("/models", operation_id="models", summary="The models that the key may ask for, its default first")
    async def list_models(request: Request[Any, Any, Any]) -> ModelList:
        names = catalogue.listed(await allowed(request))
        known = {model.name: model for model in await known_models(host, _context(request))}
        models = [_listed(known[name if name in known else names[0]], name, catalogue) for name in names]
        first, last = (models[0].id, models[-1].id) if models else (None, None)
        return ModelList(tuple(models), first_id=first, last_id=last)

    @get("/models/{model:path}", operation_id="model", summary="One model")
    async def show_model(request: Request[Any, Any, Any], model: FromPath[str]) -> ListedModel:
        name = model.removeprefix("/")  # a name may have slashes
        wanted = catalogue.find(name, await allowed(request))
        known = {model.name: model for model in await known_models(host, _context(request))}
        return _listed(known[wanted], ALIAS if name == ALIAS else wanted, catalogue)

    @post(
        "/embeddings",
        status_code=200,
        operation_id="embeddings",
        operation_class=operation(EmbeddingList, EmbeddingRequest),
        summary="Embed texts",
    )
    async def embeddings(request: Request[Any, Any, Any]) -> EmbeddingList:
        async with decoded(services, request, _decoder, _EXPECTED) as (asked, context):
            return await _embed(host, asked, context)

    return [list_models, show_model, embeddings]


def _context(request: Request[Any, Any, Any]) -> CallContext:
    return CallContext(request_id_of(request.scope))


def _listed(model: ModelInfo, name: str, catalogue: Catalogue) -> ListedModel:
    """Return a model as clients see it: by this name, with what each of its providers can do."""
    owner = model.providers[0].provider if not catalogue.configured else ALIAS
    windows = [each.window for each in model.providers if each.window is not None]
    supports = frozenset[Capability].intersection(*(frozenset(each.supports) for each in model.providers))
    length = min(windows, default=None)
    return ListedModel(
        name,
        owner,
        created=catalogue.created,
        context_length=length,
        supports=tuple(sorted(supports)),
        display_name=name,
        created_at=datetime.fromtimestamp(catalogue.created, UTC).isoformat(),
    )


async def _embed(host: OrbitHost, request: EmbeddingRequest, context: CallContext) -> EmbeddingList:
    models = embedding_models(host)
    if listed_name(request.model, models) is None:
        raise UnknownModel(request.model, models, "embedding")
    texts = _texts(request.input)
    if any(not text for text in texts):
        raise ParameterError("input", "An input must not be empty.")
    vectors = await host.embed(texts, "document", context)
    if request.dimensions not in (None, vectors.shape[1]):
        raise ParameterError("dimensions", f"This model's vectors have {vectors.shape[1]} dimensions.")
    encode: Callable[[Any], list[float] | str] = _base64 if request.encoding_format == "base64" else _floats
    data = [Embedding(index, encode(vector)) for index, vector in enumerate(vectors)]
    words = words_of(texts)
    return EmbeddingList(data, request.model, EmbeddingUsage(words, words))


def _texts(given: str | list[str | int | list[int]]) -> list[str]:
    items = [given] if isinstance(given, str) else given
    texts = [item for item in items if isinstance(item, str)]
    if len(texts) != len(items):
        detail = (
            "The input must be text, not numbers of tokens: they would be those of another model. "
            "LangChain's OpenAIEmbeddings sends text with check_embedding_ctx_length=False."
        )
        raise ParameterError("input", detail)
    if len(texts) > _BATCH:
        raise ParameterError("input", f"The input has {len(texts)} texts; at most {_BATCH} are allowed.")
    return texts


def _floats(vector: Any) -> list[float]:
    values: list[float] = vector.tolist()
    return values


def _base64(vector: Any) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
