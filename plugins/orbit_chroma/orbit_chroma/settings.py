"""The keys of the configuration section, and checks of their combinations."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from orbit.stores import VectorStoreSettings
from orbit.upstreams import address_problem, header_problems, shown, tls_problems

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]", re.ASCII)


class ChromaSettings(VectorStoreSettings, frozen=True):
    """One Chroma database: embedded if ``host`` is empty, otherwise a server."""

    path: Annotated[
        str,
        Meta(description="Folder of the embedded database; relative paths start at general.data_dir."),
    ] = "chroma"
    host: Annotated[str, Meta(description="Host name or address of a Chroma server; empty: embedded.")] = ""
    port: Annotated[int, Meta(description="Port of the Chroma server.", ge=1, le=65535)] = 8000
    ssl: Annotated[bool, Meta(description="Use HTTPS.")] = False
    ca_certs: Annotated[
        str, Meta(description="PEM file of the certificate authorities to trust with ssl, instead of the system's.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Verify the server's certificate.")] = True
    proxy: Annotated[
        str, Meta(description="URL of an HTTP proxy to the server; empty for none. HTTP_PROXY is ignored.")
    ] = ""
    headers: Annotated[dict[str, str], Meta(description="Request headers, such as `X-Chroma-Token`.")] = msgspec.field(
        default_factory=dict
    )
    tenant: Annotated[str, Meta(description="Tenant on the server.", min_length=1)] = "default_tenant"
    database: Annotated[str, Meta(description="Database on the server.", min_length=1)] = "default_database"
    timeout: Annotated[float, Meta(description="Timeout for one request to the server, in seconds.", gt=0)] = 10.0
    max_results: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Earlier name of retrieval.limit.", extra={"renamed": "retrieval.limit"}),
    ] = None
    return_results: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Earlier name of retrieval.max_documents.", extra={"renamed": "retrieval.max_documents"}),
    ] = None

    def problems(self) -> Iterable[str]:
        """Yield sentences about values that are individually valid but cannot be intended."""
        if self.collection and (problem := name_problem(self.collection)):
            yield f"collection: {problem}"
        if re.search(r"[/@\s]", self.host) or self.host.count(":") == 1:
            yield (
                f"host is a name or an address, not '{shown(self.host)}'; its port is set by port, HTTPS by ssl: "
                "true, and a password by headers"
            )
        if self.proxy and (problem := address_problem(self.proxy)):
            yield f"proxy {problem}"
        if self.host:
            yield from tls_problems(self.ca_certs, verify_certs=self.verify_certs)
        if self.host and (self.ca_certs or not self.verify_certs) and not self.ssl:
            yield "ca_certs and verify_certs have no effect without ssl: true"
        yield from header_problems(self.headers)


def name_problem(name: str) -> str:
    """Return why Chroma would reject a collection's name; empty if it accepts it."""
    if _NAME.fullmatch(name) and ".." not in name and not _is_address(name):
        return ""
    return (
        f"'{name}' cannot name a collection; use 3 to 512 letters, digits, '.', '_' or '-', beginning and ending "
        "with a letter or digit, without '..', and no IP address"
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
