"""Administration of a running server, over its HTTP API."""

from __future__ import annotations

import ssl
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from orbit.admin.wire import (
    KeyDetails,
    KeyInfo,
    KeyUpdate,
    NewKey,
    NewPrompt,
    OwnKey,
    PromptInfo,
    PromptUpdate,
    Reloaded,
    ServerLogLevel,
)
from orbit.config.model import LogLevel
from orbit.database.keys import UnknownKey
from orbit.database.prompts import UnknownPrompt
from orbit.database.records import PAGE
from orbit.errors import OrbitError, Unauthorized
from orbit.host.model_list import ModelInfo

T = TypeVar("T")
TIMEOUT = 30.0
RELOAD_TIMEOUT = 900.0
"""New providers may load models first."""


class Unreachable(OrbitError):
    """The server does not answer, or answers that it cannot at the moment."""

    code = "unreachable"


class Refused(OrbitError):
    """The server refuses the request; ``code`` comes from its answer."""

    def __init__(self, sentence: str, code: str) -> None:
        self.code = code
        super().__init__(sentence)


class RemoteAdministration:
    """``Administration`` by a running server. Open it with ``async with``.

    Methods raise Unreachable, Unauthorized (the token), UnknownKey, UnknownPrompt, and Refused for everything else.
    """

    def __init__(self, url: str, token: str = "", trusted: ssl.SSLContext | bool = True) -> None:
        """Take the admin token and the certificates to trust, by default those of the usual authorities."""
        self._url = url
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT,
            verify=trusted,
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.__aexit__(kind, error, traceback)

    async def create_key(self, new: NewKey) -> KeyInfo:
        """Create a key; only this answer shows it."""
        return await self._ask("POST", "/admin/api-keys", KeyInfo, new)

    async def list_keys(self, after: str = "", limit: int = PAGE) -> list[KeyInfo]:
        """Return a page of keys after the id ``after``."""
        return await self._ask("GET", f"/admin/api-keys?after={part(after)}&limit={limit}", list[KeyInfo])

    async def key_status(self, reference: str) -> KeyDetails:
        """Return one key in full."""
        return await self._ask("GET", f"/admin/api-keys/{part(reference)}/status", KeyDetails)

    async def update_key(self, reference: str, update: KeyUpdate) -> KeyInfo:
        """Change a key, from its next request on."""
        return await self._ask("PATCH", f"/admin/api-keys/{part(reference)}", KeyInfo, update)

    async def deactivate_key(self, reference: str) -> KeyInfo:
        """Revoke a key and keep its record."""
        return await self._ask("POST", "/admin/api-keys/deactivate", KeyInfo, {"api_key": reference})

    async def delete_key(self, reference: str) -> None:
        """Delete a key and its conversations."""
        await self._ask("DELETE", f"/admin/api-keys/{part(reference)}", dict)

    async def set_prompt(self, reference: str, prompt_id: str | None) -> KeyInfo:
        """Tie a key to a system prompt, or with None to none."""
        return await self._ask("POST", f"/admin/api-keys/{part(reference)}/prompt", KeyInfo, {"prompt_id": prompt_id})

    async def rotate_key(self, reference: str, grace_seconds: float = 0.0) -> KeyInfo:
        """Give a key a new secret, which only this answer shows."""
        body = {"grace_seconds": grace_seconds}
        return await self._ask("POST", f"/admin/api-keys/{part(reference)}/rotate", KeyInfo, body)

    async def test_key(self, secret: str) -> OwnKey:
        """Return what a client's key may do. Raises Unauthorized if it is not valid. Needs no admin token."""
        return await self._ask("GET", "/key", OwnKey, headers={"X-API-Key": secret})

    async def list_models(self) -> list[ModelInfo]:
        """Return the models that clients may name, with the state of their providers."""
        return await self._ask("GET", "/admin/models", list[ModelInfo])

    async def create_prompt(self, new: NewPrompt) -> PromptInfo:
        """Create a prompt."""
        return await self._ask("POST", "/admin/prompts", PromptInfo, new)

    async def list_prompts(self, after: str = "", limit: int = PAGE) -> list[PromptInfo]:
        """Return a page of prompts after the id ``after``."""
        return await self._ask("GET", f"/admin/prompts?after={part(after)}&limit={limit}", list[PromptInfo])

    async def get_prompt(self, prompt_id: str) -> PromptInfo:
        """Return one prompt."""
        return await self._ask("GET", f"/admin/prompts/{part(prompt_id)}", PromptInfo)

    async def prompt_versions(self, prompt_id: str) -> list[PromptInfo]:
        """Return all versions of a prompt, newest first."""
        return await self._ask("GET", f"/admin/prompts/{part(prompt_id)}/versions", list[PromptInfo])

    async def update_prompt(self, prompt_id: str, update: PromptUpdate) -> PromptInfo:
        """Change a prompt and keep the earlier version."""
        return await self._ask("PUT", f"/admin/prompts/{part(prompt_id)}", PromptInfo, update)

    async def delete_prompt(self, prompt_id: str, *, force: bool = False) -> None:
        """Delete a prompt and its versions."""
        await self._ask("DELETE", f"/admin/prompts/{part(prompt_id)}?force={str(force).lower()}", dict)

    async def reload(self) -> Reloaded:
        """Let the server read its configuration again. Returns when it serves by it, which may take minutes."""
        return await self._ask("POST", "/admin/reload", Reloaded, seconds=RELOAD_TIMEOUT)

    async def log_level(self, level: LogLevel | None = None) -> ServerLogLevel:
        """Return the level of the server log, after changing it if ``level`` is given."""
        if level is None:
            return await self._ask("GET", "/admin/log-level", ServerLogLevel)
        wanted = ServerLogLevel(level)  # waits for a reload that is under way
        return await self._ask("PUT", "/admin/log-level", ServerLogLevel, wanted, seconds=RELOAD_TIMEOUT)

    async def migrate(self) -> int:
        """Refuse: the HTTP API does not offer this work on the database itself."""
        raise Refused(
            "migrate works on the database itself: run it without --url, where the configuration is.", "local"
        )

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: Any = None,
        headers: dict[str, str] | None = None,
        seconds: float = TIMEOUT,
    ) -> T:
        content = None if body is None else msgspec.json.encode(body)
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if content is not None else {})}
        try:
            response = await self._http.request(method, path, content=content, headers=sent, timeout=seconds)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise Unreachable(f"{self._url} cannot be reached: {error or type(error).__name__}") from error
        if not response.is_success:
            raise self._failure(response)
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError as error:
            raise Unreachable(f"{self._url} does not answer like an ORBIT server: {error}") from error

    def _failure(self, response: httpx.Response) -> OrbitError:
        try:
            problem = msgspec.json.decode(response.content, type=dict)
        except msgspec.DecodeError:
            problem = {}
        code = str(problem.get("code", ""))
        detail = str(problem.get("detail", "")) or f"{self._url} answered {response.status_code}."
        if code == UnknownKey.code:
            return UnknownKey()
        if response.status_code in {401, 403}:
            return Unauthorized(detail)
        if response.status_code == 429 or response.is_server_error or not problem:  # noqa: PLR2004  # a status
            return Unreachable(detail)
        return _UnknownRemotePrompt(detail) if code == UnknownPrompt.code else Refused(detail, code)


class _UnknownRemotePrompt(UnknownPrompt):
    """The server's own sentence about an unknown prompt."""

    def __init__(self, sentence: str) -> None:
        super().__init__("")
        self.args = (sentence,)


def part(text: str) -> str:
    """Return a text as a part of a URL."""
    return quote(text, safe="")
