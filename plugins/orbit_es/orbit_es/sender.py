"""Talks to Elasticsearch, one attempt per call. The follower decides when to retry."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import (
    ApiError,
    AsyncElasticsearch,
    AuthenticationException,
    AuthorizationException,
    UnsupportedProductError,
)

from orbit.upstreams import shown, system_reason
from orbit_es.credentials import credentials
from orbit_es.documents import Document, index_template, lifecycle_policy, operations, policy_name, template_name
from orbit_es.node import LimitedNode
from orbit_es.outcomes import Outcome, describe, outcomes_of
from orbit_es.settings import ElasticsearchSettings

_log = logging.getLogger(__name__)

TOO_LARGE = 413
TOO_MANY = 429
_WHERE = "ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD, in .env, and restart the server"


class Unavailable(Exception):
    """Elasticsearch accepts nothing now. ``passing``: it only asks to slow down."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(reason)


class Sender:
    """A client for one server or cluster. It never retries."""

    def __init__(self, settings: ElasticsearchSettings, variables: Mapping[str, str]) -> None:
        """Set up without connecting."""
        self._settings = settings
        self._daily = settings.storage == "daily"
        self._credentials = credentials(settings, variables)
        self._client: AsyncElasticsearch | None = None

    async def __aenter__(self) -> Self:
        self._client = AsyncElasticsearch(
            [str(address) for address in self._settings.addresses],
            node_class=LimitedNode,
            request_timeout=self._settings.request_timeout,
            max_retries=0,
            retry_on_timeout=False,
            **self._credentials,
            **_tls(self._settings),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def reach(self) -> None:
        """Check whether the server responds. Raises Unavailable."""
        try:
            await self._open().info()
        except AuthorizationException:
            return  # it responds; nothing else needs this permission
        except Exception as error:
            raise self._unavailable(error) from error

    async def prepare(self) -> None:
        """Create or update the index template and the retention. Raises Unavailable."""
        settings = self._settings
        if not settings.manage_template:
            await self.reach()
            return
        client, name, days = self._open(), settings.index, settings.retention_days
        try:
            if self._daily and days:
                await client.ilm.put_lifecycle(name=policy_name(name), policy=lifecycle_policy(days))
            body = index_template(name, daily=self._daily, retention_days=days)
            await client.indices.put_index_template(
                name=template_name(name),
                index_patterns=body["index_patterns"],
                priority=body["priority"],
                version=body["version"],
                meta=body["_meta"],
                template=body["template"],
                data_stream=body.get("data_stream"),
            )
        except AuthorizationException as error:
            _log.warning(
                "Missing permission for the index template '%s'; grant it, or set manage_template: false. (%s)",
                template_name(name),
                _reason(error),
            )
        except Exception as error:
            raise self._unavailable(error) from error

    async def send(self, documents: list[Document], *, unsure: bool = False) -> list[Outcome]:
        """Send documents in order. Return one outcome per document. Raises Unavailable.

        ``unsure`` says that they may already be stored. A request that is too large is split in halves; a document that
        is too large alone is rejected.
        """
        if self._daily or not unsure:
            return await self._create(documents)
        # A data stream rejects duplicates only within its newest backing index, so query what it has.
        there = await self._stored([document.id for document in documents])
        missing = [document for document in documents if document.id not in there]
        outcomes = iter(await self._create(missing) if missing else [])
        return [Outcome("duplicate", 409) if document.id in there else next(outcomes) for document in documents]

    async def _create(self, documents: list[Document]) -> list[Outcome]:
        try:
            response = await self._open().bulk(operations=operations(documents))  # type: ignore[arg-type]  # lines of JSON are sent as they are
        except Exception as error:
            if not (isinstance(error, ApiError) and error.status_code == TOO_LARGE):
                raise self._unavailable(error) from error
            if len(documents) == 1:
                return [Outcome("rejected", TOO_LARGE, "the document is larger than the server accepts")]
            half = len(documents) // 2
            return [*await self._create(documents[:half]), *await self._create(documents[half:])]
        outcomes = outcomes_of(response["items"])
        if len(outcomes) != len(documents):
            raise Unavailable(f"the response covers {len(outcomes)} documents, but {len(documents)} were sent")
        return outcomes

    async def _stored(self, ids: list[str]) -> set[str]:
        """Return which of these documents are already stored, in any backing index of the data stream."""
        client, name = self._open(), self._settings.index
        try:
            await client.indices.refresh(index=name, ignore_unavailable=True, allow_no_indices=True)
            found = await client.search(
                index=name,
                query={"ids": {"values": ids}},
                source=False,
                size=len(ids),
                ignore_unavailable=True,
                allow_no_indices=True,
            )
        except Exception as error:
            raise self._unavailable(error) from error
        return {hit["_id"] for hit in found["hits"]["hits"]}

    def _open(self) -> AsyncElasticsearch:
        assert self._client is not None
        return self._client

    def _unavailable(self, error: Exception) -> Unavailable:
        if isinstance(error, AuthenticationException):
            if self._credentials:
                return Unavailable(f"the credentials are not valid; check {_WHERE} ({_reason(error)})")
            return Unavailable(f"it requires credentials, but none are configured; set {_WHERE}")
        if reason := system_reason(error):
            where = ", ".join(map(shown, self._settings.hosts))
            return Unavailable(f"{where} cannot be reached: {reason.rstrip('.')}")
        passing = isinstance(error, ApiError) and error.status_code == TOO_MANY
        return Unavailable(_reason(error), passing=passing)


def _tls(settings: ElasticsearchSettings) -> dict[str, Any]:
    if not any(address.url.startswith("https:") for address in settings.addresses):
        return {}
    options: dict[str, Any] = {"verify_certs": settings.verify_certs}
    if not settings.verify_certs:
        options["ssl_show_warn"] = False  # the operator has just chosen this
    if settings.ca_certs:
        options["ca_certs"] = settings.ca_certs
    return options


def _reason(error: Exception) -> str:
    if isinstance(error, UnsupportedProductError):
        return "the server is not Elasticsearch (it does not send the X-Elastic-Product header)"
    if isinstance(error, ApiError):
        body = error.body.get("error", error.body) if isinstance(error.body, dict) else error.message
        return f"HTTP {error.status_code}: {describe(body)}"
    if isinstance(error, ConnectionTimeout):
        return "no response within request_timeout"
    if isinstance(error, TransportError):
        return f"{type(error).__name__}: {error.message}"
    return f"{type(error).__name__}: {error}"
