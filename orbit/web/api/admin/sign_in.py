"""``/admin/session``: signing in to the operator's page with the admin token, and out again."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie

from orbit.admin.wire import Done
from orbit.auth.sign_ins import SignIn
from orbit.errors import DatabaseUnavailable
from orbit.web.admin_guard import AdminGuard, NotAdministrator, sign_in_of

logger = logging.getLogger("orbit.admin")

PATH = "/admin"
"""Where browsers send the cookie: nothing else of the server needs it."""


class SessionInfo(msgspec.Struct, frozen=True):
    """A session: until when, in Unix seconds, and what its changing requests send as ``X-CSRF-Token``."""

    expires_at: float
    csrf_token: str


def session_routes(guard: AdminGuard) -> list[Any]:
    """The routes of sessions; the guard has let the request pass."""
    sessions = guard.sessions

    def info(session: SignIn) -> SessionInfo:
        return SessionInfo(session.expires_at, sessions.csrf_token(session))

    def cookie(request: Request[Any, Any, Any], value: str, seconds: int) -> Cookie:
        return Cookie(
            key=sessions.cookie_name,
            value=value,
            path=PATH,
            max_age=seconds,
            httponly=True,
            samesite="strict",
            secure=request.scope["scheme"] == "https",
        )

    def own(request: Request[Any, Any, Any]) -> SignIn:
        session = sign_in_of(request)
        if session is None:
            raise NotAdministrator("The request has the admin token and no session's cookie.")
        return session

    @post("/session", summary="Sign in with the admin token: the answer sets a session's cookie")
    async def sign_in(request: Request[Any, Any, Any]) -> Response[SessionInfo]:
        if sign_in_of(request) is not None:
            raise NotAdministrator("A session does not begin another; sign in with the admin token.")
        session = sessions.begin()
        logger.info("an administrator signed in from %s", request.client.host if request.client else "somewhere")
        return Response(
            info(session), cookies=[cookie(request, sessions.cookie_of(session), sessions.seconds_left(session))]
        )

    @get("/session", summary="The session of the request's cookie")
    async def session(request: Request[Any, Any, Any]) -> SessionInfo:
        return info(own(request))

    @delete("/session", status_code=200, summary="Sign out: the session ends")
    async def sign_out(request: Request[Any, Any, Any]) -> Response[Done]:
        session = own(request)
        try:
            sessions.end(session)
        except OSError as error:
            raise DatabaseUnavailable(f"the end of the session cannot be kept: {error.strerror or error}.") from error
        return Response(Done("Signed out"), cookies=[cookie(request, "", 0)])

    return [sign_in, session, sign_out]
