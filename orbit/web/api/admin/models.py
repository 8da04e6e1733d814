"""``/admin/models``: the models that clients may name, and the state of their providers."""

from __future__ import annotations

from typing import Any

from litestar import Request, get

from orbit.host.host import OrbitHost
from orbit.host.model_list import ModelInfo, asked_models
from orbit.types import CallContext
from orbit.web.api.health import HealthCheck
from orbit.web.http.request import request_id_of


def models_route(host: OrbitHost, check: HealthCheck) -> Any:
    """Return the route that lists the models."""

    @get("/models", summary="The models that clients may name, with the state of their providers")
    async def models(request: Request[Any, Any, Any]) -> list[ModelInfo]:
        health = (await check.report()).components
        return await asked_models(host, CallContext(request_id_of(request.scope)), health)

    return models
