"""Requests to an IP address in place of a host's name: what was checked is what is asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


async def addresses_of(url: httpx.URL) -> list[str]:
    """Return the IP addresses of a URL's host, each once. Raises OSError and UnicodeError if it has none."""
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def pinned_request(
    client: httpx.AsyncClient, url: httpx.URL, address: str, headers: Mapping[str, str]
) -> httpx.Request:
    """Return a GET request to an address of the URL's host, so that the name cannot lead elsewhere meanwhile.

    The name stays in the header ``Host`` and is the one that TLS verifies.
    """
    return client.build_request(
        "GET",
        url.copy_with(host=address),
        headers={**headers, "Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.host},
    )
