"""The keys of the configuration section, and what makes no sense among them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from orbit.upstreams import header_problems

Similarity = Annotated[float, Meta(ge=0, le=1)]

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]", re.ASCII)


class ChromaSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One Chroma database: embedded if ``host`` is empty, otherwise a server."""

    path: Annotated[
        str,
        Meta(description="Folder of the embedded database; a relative one starts at general.data_dir."),
    ] = "chroma"
    host: Annotated[str, Meta(description="Name or address of a Chroma server; empty: embedded.")] = ""
    port: Annotated[int, Meta(description="Port of the Chroma server.", ge=1, le=65535)] = 8000
    ssl: Annotated[bool, Meta(description="Speak HTTPS with the server; its certificate is verified.")] = False
    headers: Annotated[dict[str, str], Meta(description="Headers for the server, for instance `X-Chroma-Token`.")] = (
        msgspec.field(default_factory=dict)
    )
    tenant: Annotated[str, Meta(description="Tenant on the server.", min_length=1)] = "default_tenant"
    database: Annotated[str, Meta(description="Database on the server.", min_length=1)] = "default_database"
    timeout: Annotated[float, Meta(description="Seconds for one request to the server.", gt=0)] = 10.0
    collection: Annotated[
        str, Meta(description="Collection for API keys that name none; empty: they search nothing here.")
    ] = ""
    max_results: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Earlier name of retrieval.limit.", extra={"renamed": "retrieval.limit"}),
    ] = None
    return_results: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Earlier name of retrieval.max_documents.", extra={"renamed": "retrieval.max_documents"}),
    ] = None
    relevance_threshold: Annotated[
        Similarity, Meta(description="Passages less similar to the question are dropped (cosine, 0..1).")
    ] = 0.25
    confidence_threshold: Annotated[
        Similarity, Meta(description="If the best passage is less similar than this, nothing is returned.")
    ] = 0.3

    def problems(self) -> Iterable[str]:
        """Sentences about values that are each allowed but cannot be meant."""
        if self.collection and (problem := name_problem(self.collection)):
            yield f"collection: {problem}"
        if re.search(r"[/@\s]", self.host) or self.host.count(":") == 1:
            yield f"host is a name or an address, not '{self.host}'; its port is set by port, and HTTPS by ssl: true"
        yield from header_problems(self.headers)


def name_problem(name: str) -> str:
    """Why Chroma would refuse a collection's name; empty if it takes it."""
    if _NAME.fullmatch(name):
        return ""
    return (
        f"'{name}' cannot name a collection; use 3 to 512 letters, digits, '.', '_' or '-', "
        "beginning and ending with a letter or digit"
    )
