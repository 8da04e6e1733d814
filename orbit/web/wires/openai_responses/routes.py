"""The routes beside the one that answers: stored responses, for the key that asked for them, and sizes of prompts."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter

from orbit.chat.history.responses import StoredResponse
from orbit.web.http.operation import operation
from orbit.web.http.problems import RequestError
from orbit.web.http.request import bearer
from orbit.web.key_guard import admit, identity_of, place_beside_chats
from orbit.web.services import Services
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.counting import counted
from orbit.web.wires.openai_responses.input_items import InputItems, page_of
from orbit.web.wires.openai_responses.output import DeletedResponse, ResponseBody
from orbit.web.wires.openai_responses.request import InputTokensRequest, ResponsesProtocol

RESPONSES: Final = "/v1/responses"
ResponseId = Annotated[str, PathParameter(description="The id of a response.")]
Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Items in a page.")]
Order = Annotated[Literal["asc", "desc"], QueryParameter(description="Whether the oldest or the newest comes first.")]
After = Annotated[str, QueryParameter(description="The id of the item before the page.", max_length=300)]


class InputTokens(msgspec.Struct, frozen=True):
    """The size of a prompt in tokens."""

    input_tokens: int
    object: str = "response.input_tokens"


def response_routes(services: Services) -> list[Any]:
    """Return the routes that read and delete the responses of the caller's own key, and the one that counts tokens."""
    settings, responses = services.config.host, services.conversations.responses
    counting = ResponsesProtocol(settings.limits, settings.general, responses, InputTokensRequest)

    async def only_with_a_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await admit(services, connection.scope, bearer(connection.scope))

    async def stored(request: Request[Any, Any, Any], response_id: str) -> StoredResponse:
        async with place_beside_chats(services, request.scope):
            return await responses.get(identity_of(request).key.id, response_id)

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
        body = bytes((await stored(request, response_id)).body)
        return Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})

    @get(
        "/responses/{response_id:str}/input_items",
        guards=[only_with_a_key],
        operation_id="input_items",
        summary="What a stored response was asked",
    )
    async def input_items(
        request: Request[Any, Any, Any],
        response_id: ResponseId,
        limit: Limit = 20,
        order: Order = "desc",
        after: After = "",
    ) -> Response[InputItems]:
        messages = (await stored(request, response_id)).messages[:-1]  # the last one is the answer
        page = page_of(response_id, messages, limit, after, newest=order == "desc")
        return Response(page, headers={"Cache-Control": "no-store"})

    @post(
        "/responses/{response_id:str}/cancel",
        guards=[only_with_a_key],
        status_code=200,
        operation_id="cancel_response",
        operation_class=operation(ResponseBody),
        summary="Refused: a stored response has its answer",
    )
    async def cancel_response(request: Request[Any, Any, Any], response_id: ResponseId) -> None:
        await stored(request, response_id)
        raise RequestError(400, "invalid_request", "Only a response in the background can be cancelled; none is here.")

    @post(
        "/responses/input_tokens",
        status_code=200,
        operation_id="input_tokens",
        operation_class=operation(InputTokens, InputTokensRequest),
        summary="Count the tokens of a prompt",
    )
    async def input_tokens(request: Request[Any, Any, Any]) -> InputTokens:
        return InputTokens(await counted(services, counting, request))

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

    return [show_response, delete_response, input_items, cancel_response, input_tokens]
