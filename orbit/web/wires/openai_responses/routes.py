"""``GET`` and ``DELETE`` of stored responses, for the key that asked for them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, Response, delete, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter

from orbit.web.http.operation import operation
from orbit.web.http.request import bearer
from orbit.web.key_guard import admit, identity_of, place_beside_chats
from orbit.web.services import Services
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.openai_responses.output import DeletedResponse, ResponseBody

RESPONSES: Final = "/v1/responses"
ResponseId = Annotated[str, PathParameter(description="The id of a response.")]


def response_routes(services: Services) -> list[Any]:
    """Return the routes that read and delete the responses of the caller's own key."""
    responses = services.conversations.responses

    async def only_with_a_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await admit(services, connection.scope, bearer(connection.scope))

    @get(
        "/responses/{response_id:str}",
        guards=[only_with_a_key],
        operation_id="response",
        operation_class=operation(ResponseBody),
        summary="A stored response",
    )
    async def show_response(request: Request[Any, Any, Any], response_id: ResponseId) -> Response[bytes]:
        if request.query_params.get("stream") == "true":
            raise ParameterError("stream", "A stored response cannot be streamed again.", code="unsupported_value")
        async with place_beside_chats(services, request.scope):
            stored = await responses.get(identity_of(request).key.id, response_id)
        headers = {"Cache-Control": "no-store"}
        return Response(bytes(stored.body), media_type="application/json", headers=headers)

    @delete(
        "/responses/{response_id:str}",
        guards=[only_with_a_key],
        status_code=200,
        operation_id="delete_response",
        summary="Delete a stored response",
    )
    async def delete_response(request: Request[Any, Any, Any], response_id: ResponseId) -> DeletedResponse:
        async with place_beside_chats(services, request.scope):
            await responses.delete(identity_of(request).key.id, response_id)
        return DeletedResponse(response_id)

    return [show_response, delete_response]
