"""Settings of the Elasticsearch log."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from orbit.upstreams import Address

Seconds = Annotated[float, Meta(gt=0)]


class ElasticsearchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``elasticsearch``: the server that receives the chat log."""

    node: Annotated[str, Meta(description="URL of the server.")] = "http://localhost:9200"
    nodes: Annotated[tuple[str, ...], Meta(description="URLs of several servers, instead of `node`.")] = ()
    index: Annotated[
        str,
        Meta(
            min_length=1,
            description="Name of the data stream, or prefix of the daily indices (`orbit-chat-2025.01.31`).",
        ),
    ] = "orbit-chat"
    storage: Annotated[
        Literal["daily", "data_stream"], Meta(description="Write to one index per day, or to a data stream.")
    ] = "daily"
    retention_days: Annotated[
        int, Meta(ge=0, description="Days after which Elasticsearch deletes records; 0 keeps them.")
    ] = 0
    manage_template: Annotated[
        bool, Meta(description="Create and update the index template (and the retention) at the start.")
    ] = True
    api_key: Annotated[
        str, Meta(description="API key (encoded); if empty, ELASTICSEARCH_API_KEY of .env or the environment.")
    ] = ""
    username: Annotated[
        str, Meta(description="User name, if there is no API key; if empty, ELASTICSEARCH_USERNAME.")
    ] = ""
    password: Annotated[str, Meta(description="Password; if empty, ELASTICSEARCH_PASSWORD.")] = ""
    ca_certs: Annotated[str, Meta(description="PEM file of the authority that signed the server's certificate.")] = ""
    verify_certs: Annotated[bool, Meta(description="Verify the server's certificate.")] = True
    batch_size: Annotated[int, Meta(ge=1, le=10_000, description="Most records per request.")] = 500
    batch_bytes: Annotated[int, Meta(ge=1_000, description="Approximate limit of a request, in bytes.")] = 5_000_000
    batch_seconds: Annotated[Seconds, Meta(description="Longest time that a record waits for others, in seconds.")] = (
        1.0
    )
    request_timeout: Annotated[Seconds, Meta(description="Timeout of one request, in seconds.")] = 30.0
    retry_seconds: Annotated[
        Seconds, Meta(description="Longest pause between attempts while the server does not respond, in seconds.")
    ] = 30.0
    directory: Annotated[str, Meta(description="Folder of the chat log; if empty, that of `logging.file`.")] = ""
    filename: Annotated[str, Meta(description="Name of the chat log's files; if empty, that of `logging.file`.")] = ""

    @property
    def hosts(self) -> list[str]:
        """The addresses of the servers, as written."""
        return list(self.nodes) or [self.node]

    @property
    def addresses(self) -> list[Address]:
        """The addresses of the servers."""
        return [Address.parse(host) for host in self.hosts]
