"""``/admin/session``: signs operators in with the admin token, and out again."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie

from orbit.admin.wire import Done
from orbit.auth.sign_ins import SignIn
from orbit.errors import DatabaseUnavailable
from orbit.web.admin_guard import (
    ADMIN_SESSION,
    ADMIN_TOKEN,
    CHANGING_SESSION,
    AdminGuard,
    NotAdministrator,
    sign_in_of,
)

logger = logging.getLogger("orbit.admin")

PATH = "/admin"
"""Where browsers send the cookie: nothing else of the server needs it."""


class SignInInfo(msgspec.Struct, frozen=True):
    """A sign-in: when it expires, in Unix seconds, and what its changing requests send as ``X-CSRF-Token``."""

    expires_at: float
    csrf_token: str


def sign_in_routes(guard: AdminGuard, root: str = "") -> list[Any]:
    """Return the routes of sign-ins. The router's guard has admitted the request.

    ``root`` is the path under which browsers see the server.
    """
    sign_ins = guard.sign_ins

    def info(signed_in: SignIn) -> SignInInfo:
        return SignInInfo(signed_in.expires_at, sign_ins.csrf_token(signed_in))

    def cookie(request: Request[Any, Any, Any], value: str, seconds: int) -> Cookie:
        return Cookie(
            key=sign_ins.cookie_name,
            value=value,
            path=f"{root}{PATH}",
            max_age=seconds,
            httponly=True,
            samesite="strict",
            secure=request.scope["scheme"] == "https",
        )

    def own(request: Request[Any, Any, Any]) -> SignIn:
        signed_in = sign_in_of(request)
        if signed_in is None:
            raise NotAdministrator("The request has the admin token and no cookie of a sign-in.")
        return signed_in

    @post("/session", summary="Sign in with the admin token: the answer sets a cookie", security=ADMIN_TOKEN)
    async def sign_in(request: Request[Any, Any, Any]) -> Response[SignInInfo]:
        if sign_in_of(request) is not None:
            raise NotAdministrator("A sign-in cannot begin another; send the admin token.")
        signed_in = sign_ins.begin()
        logger.info("an administrator signed in from %s", request.client.host if request.client else "somewhere")
        return Response(
            info(signed_in), cookies=[cookie(request, sign_ins.cookie_of(signed_in), sign_ins.seconds_left(signed_in))]
        )

    @get("/session", summary="The sign-in of the request's cookie", security=ADMIN_SESSION)
    async def session(request: Request[Any, Any, Any]) -> SignInInfo:
        return info(own(request))

    @delete("/session", status_code=200, summary="Sign out", security=CHANGING_SESSION)
    async def sign_out(request: Request[Any, Any, Any]) -> Response[Done]:
        signed_in = own(request)
        try:
            sign_ins.end(signed_in)
        except OSError as error:
            raise DatabaseUnavailable(f"the sign-out cannot be recorded: {error.strerror or error}.") from error
        return Response(Done("Signed out"), cookies=[cookie(request, "", 0)])

    return [sign_in, session, sign_out]
