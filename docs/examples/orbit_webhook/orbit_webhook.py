"""Sends the record of each chat turn to a URL, as JSON."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import msgspec

import orbit
from orbit.upstreams import shown

if TYPE_CHECKING:
    import httpx


class WebhookSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of a section `webhook:`."""

    url: Annotated[str, msgspec.Meta(description="URL that receives the records.")]
    headers: Annotated[dict[str, str], msgspec.Meta(description="Additional headers, such as Authorization.")] = {}
    texts: Annotated[bool, msgspec.Meta(description="Include the texts of questions and answers.")] = True
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10, description="Attempts per record.")] = 3
    delay: Annotated[
        float, msgspec.Meta(ge=0, description="Seconds before the second attempt; doubles for each further one.")
    ] = 0.5
    timeout: Annotated[float, msgspec.Meta(gt=0, description="Timeout of one attempt, in seconds.")] = 2.0


class Webhook(orbit.Provider):
    """The chat log, delivered in real time."""

    Settings = WebhookSettings
    settings: WebhookSettings

    def __init__(self, name: str, settings: WebhookSettings, host: orbit.Host) -> None:
        super().__init__(name, settings, host)
        self._client: httpx.AsyncClient | None = None
        self._failure = ""
        self._shown = shown(settings.url)  # without passwords and tokens

    def validate(self) -> Iterable[str]:
        """Yield an invalid URL."""
        if not self.settings.url.startswith(("http://", "https://")):
            yield f"url: '{shown(self.settings.url)}' is not an address of the form https://..."

    async def __aenter__(self) -> Self:
        import httpx

        headers = {"Content-Type": "application/json", **self.settings.headers}
        self._client = httpx.AsyncClient(headers=headers, timeout=self.settings.timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def health(self) -> orbit.Health:
        """Return whether the last delivery succeeded and the URL is reachable."""
        failure = self._failure or await self._send("HEAD")
        return orbit.Health("degraded", failure) if failure else orbit.Health("ok")

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        """Deliver a record. The host calls this in the background, one record after the other, and counts errors."""
        if not self.settings.texts:
            record = msgspec.structs.replace(record, query="", response="")
        body = msgspec.json.encode(record)
        for attempt in range(self.settings.attempts):
            if attempt:
                await asyncio.sleep(self.settings.delay * 2 ** (attempt - 1))
            self._failure = await self._send("POST", body)
            if not self._failure:
                return
        raise orbit.ProviderError(self._failure, kind="unavailable", retryable=True)

    async def _send(self, method: str, body: bytes | None = None) -> str:
        """Return why a request failed; empty if it arrived. Any response to HEAD proves that the server is up."""
        import httpx

        if self._client is None:
            return "the webhook is not open."
        try:
            response = await self._client.request(method, self.settings.url, content=body)
        except httpx.HTTPError as error:
            return f"{self._shown} cannot be reached: {type(error).__name__}."
        return "" if response.is_success or body is None else f"{self._shown} answered {response.status_code}."
