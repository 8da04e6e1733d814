"""The keys of the configuration section, and checks of their combinations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from orbit.stores import VectorStoreSettings
from orbit.upstreams import shown, tls_problems

LONGEST_NAME = 512
"""Characters in the name of a collection."""


class PgvectorSettings(VectorStoreSettings, frozen=True):
    """One database of a PostgreSQL server."""

    host: Annotated[
        str,
        Meta(description="Host name or address of the PostgreSQL server, or the folder of its socket.", min_length=1),
    ] = "localhost"
    port: Annotated[int, Meta(description="Its port.", ge=1, le=65535)] = 5432
    user: Annotated[str, Meta(description="User name.", min_length=1)] = "orbit"
    password: Annotated[
        str,
        Meta(description="Password; empty: `PGPASSWORD`, or the entry in `~/.pgpass`, as for all clients."),
    ] = ""
    database: Annotated[str, Meta(description="Database.", min_length=1)] = "orbit"
    schema: Annotated[
        str, Meta(description="Schema of the tables in that database.", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    ] = "orbit"
    ssl: Annotated[bool, Meta(description="Require TLS.")] = False
    ca_certs: Annotated[
        str, Meta(description="PEM file of the certificate authorities to trust with ssl, instead of the system's.")
    ] = ""
    verify_certs: Annotated[bool, Meta(description="Verify the server's certificate.")] = True
    timeout: Annotated[float, Meta(description="Timeout for connecting and for one search, in seconds.", gt=0)] = 10.0
    connections: Annotated[int, Meta(description="Most connections of one process.", ge=1)] = 10
    index_from: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(
            description="Passages from which a collection gets an HNSW index; smaller ones are searched exactly. null: "
            "none until `orbit pgvector index`, which loads large collections faster."
        ),
    ] = 10_000
    ef_search: Annotated[
        int,
        Meta(description="Candidates of a search in the HNSW index: more find better and take longer.", ge=1, le=1000),
    ] = 100
    partitions: Annotated[
        int, Meta(description="Partitions of each new collection, by source, each with its own index.", ge=1, le=1024)
    ] = 1

    @property
    def where(self) -> str:
        """The server's name in messages."""
        return f"the PostgreSQL server at {self.host}:{self.port}"

    def problems(self) -> Iterable[str]:
        """Yield sentences about values that are individually valid but cannot be intended."""
        if self.collection and (problem := name_problem(self.collection)):
            yield f"collection: {problem}"
        if re.search(r"[@\s]|://", self.host) or self.host.count(":") == 1:
            yield (
                f"host is a name or an address, not '{shown(self.host)}'; its port is set by port, and who connects by "
                "user and password"
            )
        yield from tls_problems(self.ca_certs, verify_certs=self.verify_certs)
        if (self.ca_certs or not self.verify_certs) and not self.ssl:
            yield "ca_certs and verify_certs have no effect without ssl: true"


def name_problem(name: str) -> str:
    """Return why a text cannot name a collection; empty if it can."""
    if name and len(name) <= LONGEST_NAME and name.isprintable():
        return ""
    return f"'{shown(name)}' cannot name a collection; use 1 to {LONGEST_NAME} printable characters"
