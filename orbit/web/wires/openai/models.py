"""``GET /v1/models``, for any holder of a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from orbit.host.model_list import ModelInfo, known_models
from orbit.host.models.catalogue import ALIAS, Catalogue
from orbit.types import CallContext, Capability
from orbit.web.http.request import bearer, request_id_of
from orbit.web.services import Services


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


def model_routes(services: Services) -> list[Any]:
    """Return the routes of models."""
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

    return [list_models, show_model]


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
