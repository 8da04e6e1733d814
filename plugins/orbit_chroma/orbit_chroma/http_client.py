"""Chroma's HTTP client over our own session: with timeouts, a proxy and configured certificate authorities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orbit.upstreams import Address, tls_context
from orbit_chroma.client_settings import quiet_settings

if TYPE_CHECKING:
    import httpx
    from chromadb.api import ClientAPI

    from orbit_chroma.settings import ChromaSettings


def http_session(settings: ChromaSettings, connect_seconds: float) -> httpx.Client:
    """Return a configured session that ignores the environment. Raises ConfigError."""
    import httpx  # noqa: PLC0415 - importing a plugin stays light

    from orbit_chroma.limits import UNPACKED, limit  # noqa: PLC0415 - the same

    proxy = None
    if settings.proxy:
        by = Address.parse(settings.proxy)
        authorization = {"Proxy-Authorization": by.authorization} if by.authorization else {}
        proxy = httpx.Proxy(by.url, headers=authorization)
    return httpx.Client(
        headers=UNPACKED | dict(settings.headers),
        event_hooks={"response": [limit]},
        timeout=httpx.Timeout(settings.timeout, connect=connect_seconds),
        verify=tls_context(settings.ca_certs, verify_certs=settings.verify_certs),
        proxy=proxy,
        trust_env=False,
    )


def client_over(session: httpx.Client, settings: ChromaSettings, host: str) -> ClientAPI:
    """Return a client of the server at ``host`` that uses ``session``.

    ``chromadb.HttpClient`` creates its own session without a timeout (a hanging server would block a thread for ever),
    proxy or certificate authorities, and sends a request at once.
    """
    from chromadb.api import ServerAPI  # noqa: PLC0415 - takes a second, and not before the provider starts
    from chromadb.api.client import Client  # noqa: PLC0415 - the same
    from chromadb.api.shared_system_client import SharedSystemClient  # noqa: PLC0415 - the same
    from chromadb.config import System  # noqa: PLC0415 - the same

    options = quiet_settings()
    options.chroma_api_impl = "chromadb.api.fastapi.FastAPI"
    options.chroma_server_host = host
    options.chroma_server_http_port = settings.port
    options.chroma_server_ssl_enabled = settings.ssl
    options.chroma_server_headers = dict(settings.headers)
    system = System(options)
    server = system.instance(ServerAPI)  # type: ignore[type-abstract] # it makes what implements it
    own: httpx.Client = server._session  # type: ignore[attr-defined] # noqa: SLF001 - of this implementation
    session.headers.update(own.headers)
    own.close()
    server._session = session  # type: ignore[attr-defined] # noqa: SLF001 - the same
    system.start()

    client = Client.__new__(Client)  # its __init__ would create another system
    client._identifier = SharedSystemClient._populate_data_from_system(system)  # noqa: SLF001 - what __init__ does
    SharedSystemClient._increment_refcount(client._identifier)  # noqa: SLF001 - the same
    client._server = server  # noqa: SLF001 - the same
    client.tenant, client.database = settings.tenant, settings.database
    return client
