"""Fetches images that a request names by their address, from hosts that the operator allows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from orbit.upstreams import addresses_of, is_public, pinned_request
from orbit.web.wires.attachments import BadAttachment

if TYPE_CHECKING:
    import httpx

_MOST_REDIRECTS: Final = 3
_SECONDS: Final = 10.0
_HEADERS: Final = {"Accept": "image/*", "Accept-Encoding": "identity"}


async def fetch(url: str, hosts: Sequence[str], limit: int) -> bytes:
    """Return what is at an address, up to ``limit`` bytes. ``hosts`` are allowed; ``*`` is any public one.

    Raises BadAttachment. Each redirect is checked like the address itself. The connection goes to the address that was
    checked, so a name cannot lead elsewhere meanwhile.
    """
    import httpx  # noqa: PLC0415  # a server that fetches nothing starts sooner without

    try:
        async with asyncio.timeout(_SECONDS), httpx.AsyncClient(trust_env=False, timeout=_SECONDS) as client:
            for _ in range(_MOST_REDIRECTS + 1):
                asked = httpx.URL(url)
                request = pinned_request(client, asked, await _public_address(asked, hosts), _HEADERS)
                response = await client.send(request, stream=True)
                try:
                    if not response.has_redirect_location:
                        return await _content(response, limit)
                    url = str(asked.join(response.headers["location"]))
                finally:
                    await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:  # a TimeoutError is an OSError
        raise BadAttachment("its address cannot be fetched.") from error
    raise BadAttachment("its address redirects too often.")


async def _public_address(url: httpx.URL, hosts: Sequence[str]) -> str:
    """Return an address of the host, if it is allowed and all its addresses are public."""
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise BadAttachment("its address must begin with http:// or https:// and a host.")
    if "*" not in hosts and url.host.lower() not in [host.lower() for host in hosts]:
        raise BadAttachment("this server fetches no images from that host. Send it as a data URL.")
    addresses = await addresses_of(url)
    if not addresses or not all(map(is_public, addresses)):
        raise BadAttachment("its host is not on the public internet.")
    return addresses[0]


async def _content(response: httpx.Response, limit: int) -> bytes:
    if response.status_code != HTTPStatus.OK:
        raise BadAttachment(f"its address answers with status {response.status_code}.")
    data = bytearray()
    async for piece in response.aiter_raw():
        data += piece
        if len(data) > limit:
            raise BadAttachment(f"it has more than {limit} bytes.")
    return bytes(data)
