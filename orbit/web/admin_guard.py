"""Authentication of operators: by the admin token or a sign-in, never by a client's key."""

from __future__ import annotations

import hmac
import logging
from http import HTTPStatus
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection

from orbit.auth.admin_token import TokenInForce, same_token
from orbit.auth.attempts import Attempts
from orbit.auth.keys import Authenticator
from orbit.auth.sign_ins import SignIn, SignIns
from orbit.errors import DatabaseUnavailable, OrbitError, Unauthorized
from orbit.web.http.problems import RequestError

CSRF_HEADER = "x-csrf-token"
ADMIN_TOKEN: list[dict[str, list[str]]] = [{"adminToken": []}, {"adminTokenHeader": []}]
"""The alternatives that the OpenAPI document gives for the admin token."""
ADMIN_SESSION: list[dict[str, list[str]]] = [{"adminSession": []}]
CHANGING_SESSION: list[dict[str, list[str]]] = [{"adminSession": [], "csrfToken": []}]
"""A session, and one whose request changes something."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_STATE = "sign_in"
Caller: TypeAlias = Literal["administrator", "client", ""]
"""Who sent a request: an operator, a client with a key, or neither."""

logger = logging.getLogger("orbit.admin")


class NotAdministrator(OrbitError):
    """The request has no admin token, a wrong one (401) or a client's key (403)."""

    code = "unauthorized"

    def __init__(self, sentence: str, *, forbidden: bool = False, code: str = "") -> None:
        self.status = 403 if forbidden else 401
        self.code = code or ("forbidden" if forbidden else "unauthorized")
        super().__init__(sentence)


class TooManyAttempts(RequestError):
    """An address has sent too many wrong tokens."""

    retry_after = 1

    def __init__(self) -> None:
        sentence = "Too many failed attempts from this address; try again in a second."
        super().__init__(HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", sentence)


class AdminGuard:
    """Admits only requests with the admin token, or with the cookie of a sign-in."""

    def __init__(
        self, token: TokenInForce, authenticator: Authenticator, sign_ins: SignIns, attempts: Attempts
    ) -> None:
        self.sign_ins = sign_ins
        self._token = token
        self._authenticator = authenticator
        self._attempts = attempts

    async def check(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Raise NotAdministrator or TooManyAttempts, or let the request pass."""
        if self._token.renewed():
            self.sign_ins.follow(self._token.value)
        headers = connection.headers
        authorization = headers.get("authorization", "")
        bearer = authorization[7:].strip() if authorization[:7].lower() == "bearer " else ""
        given = headers.get("x-admin-token") or bearer
        client_key = headers.get("x-api-key") or given
        if not client_key and not authorization:
            self._check_sign_in(connection)
            return
        if given and same_token(given, self._token.value):
            return
        address = connection.client.host if connection.client else ""
        if not self._attempts.allow(address):
            raise TooManyAttempts
        is_client = await self._is_client_key(client_key)
        reason = "a client key" if is_client else "a wrong token"
        logger.warning("administration refused to %s, which gave %s", address or "an unknown address", reason)
        if is_client:
            raise NotAdministrator("An API key of a client is not enough here; use the admin token.", forbidden=True)
        raise NotAdministrator("This is not the admin token.")

    async def caller(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Caller:
        """Return who sent the request; a request without credentials comes from nobody.

        Raises Unauthorized for a wrong token or key, and TooManyAttempts. If the database is down, a key identifies
        nobody.
        """
        headers = connection.headers
        bearer = headers.get("authorization", "")[:7].lower() == "bearer "
        try:
            if bearer or headers.get("x-admin-token"):
                await self.check(connection)
                return "administrator"
            if key := headers.get("x-api-key"):
                await self._authenticator.authenticate(key)
                return "client"
        except NotAdministrator as error:
            if error.status == HTTPStatus.FORBIDDEN:
                return "client"
            raise Unauthorized("This is neither a valid API key nor the admin token.") from error
        except DatabaseUnavailable:
            pass
        return ""

    def _check_sign_in(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Raise NotAdministrator, or let the request of a signed-in page pass.

        Browsers send the cookie with requests of any page of the same host, whatever its port. So a request must come
        from a page of this server, and a request that changes something must prove it with the CSRF token.
        """
        cookie = connection.cookies.get(self.sign_ins.cookie_name)
        if cookie is None:
            raise NotAdministrator("The admin token is required: send it as `Authorization: Bearer TOKEN`.")
        sign_in = self.sign_ins.find(cookie)
        if sign_in is None:
            raise NotAdministrator("Your sign-in has expired; sign in again.")
        safe = connection.scope.get("method") in _SAFE
        if not _same_origin(connection, safe=safe):
            raise NotAdministrator("This request came from a page of another origin.", forbidden=True)
        if not safe:
            given = connection.headers.get(CSRF_HEADER, "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, self.sign_ins.csrf_token(sign_in).encode()):
                sentence = "A signed-in request that changes something needs its token in the X-CSRF-Token header."
                raise NotAdministrator(sentence, forbidden=True, code="wrong_csrf_token")
        connection.scope["state"][_STATE] = sign_in

    async def _is_client_key(self, key: str) -> bool:
        try:
            await self._authenticator.authenticate(key)
        except Unauthorized:
            return False
        return True


def sign_in_of(connection: ASGIConnection[Any, Any, Any, Any]) -> SignIn | None:
    """Return the sign-in that let a checked request pass, or None if it was the admin token."""
    sign_in: SignIn | None = connection.scope["state"].get(_STATE)
    return sign_in


def _same_origin(connection: ASGIConnection[Any, Any, Any, Any], *, safe: bool) -> bool:
    """Whether the request comes from a page of this server or, if it only reads, from the address bar.

    ``Sec-Fetch-Site`` is correct behind every proxy, but browsers send it over HTTPS and to localhost only. Otherwise
    ``Origin`` must name the requested host. A client that sends neither is no browser, so no page can misuse it.
    """
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin" or (safe and site == "none")
    origin = connection.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == connection.headers.get("host", "").lower()
