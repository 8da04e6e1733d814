"""The shared parts of a running server, opened and closed by the application's lifespan."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from orbit.auth.admin_token import TokenInForce
from orbit.auth.attempts import Attempts
from orbit.auth.budgets import Ledger
from orbit.auth.document_links import DocumentLinks
from orbit.auth.keys import Authenticator
from orbit.auth.rate_limits import RateLimiter
from orbit.auth.sign_ins import SignIns
from orbit.chat.admission import Admission, room
from orbit.chat.answer.links import Links
from orbit.chat.history.conversations import Conversations
from orbit.chat.pipeline import Pipeline
from orbit.config import Config
from orbit.database import Database, open_database
from orbit.documents import Origins
from orbit.errors import ConfigError, Problem
from orbit.host.host import OrbitHost
from orbit.host.model_list import unlisted
from orbit.web.admin_guard import AdminGuard
from orbit.web.key_warnings import astray, differing, missing_models, unsearched

logger = logging.getLogger("orbit")


class Services:
    """The parts of a running server. ``draining`` is set once the server is stopping.

    ``admission`` has places for requests that need no model, as many as there are for chat turns.
    """

    def __init__(
        self,
        config: Config,
        host: OrbitHost,
        database: Database,
        pipeline: Pipeline,
        conversations: Conversations,
        document_links: DocumentLinks | None,
        former: Services | None = None,
    ) -> None:
        """After a reload, the places and the counts of ``former`` go on."""
        auth = config.host.auth
        self.config = config
        self.host = host
        self.database = database
        self.pipeline = pipeline
        self.conversations = conversations
        self.authenticator = Authenticator(database, auth.cache_seconds, auth.cache_size)
        self.limiter: RateLimiter = former.limiter if former is not None else RateLimiter(database)
        self.ledger: Ledger = former.ledger if former is not None else Ledger(database)
        self.admission: Admission = former.admission if former is not None else Admission(*room(config.host))
        self.document_links = document_links
        token = TokenInForce(config)
        sign_ins = SignIns(token.value, config.data_dir / "admin-signed-out", auth.admin_session_hours * 3600)
        attempts = Attempts(config.data_dir / "admin-attempts", token.value)
        self.admin_guard = AdminGuard(token, self.authenticator, sign_ins, attempts)
        self.draining: asyncio.Event = former.draining if former is not None else asyncio.Event()

    def reconfigure(self, config: Config) -> None:
        """Take a configuration that differs only in what nobody has taken from it."""
        self.config = self.host.config = config

    def resize(self) -> None:
        """Give turns and other requests as many places as this configuration has."""
        for admission in (self.admission, self.pipeline.admission):
            admission.resize(*room(self.config.host))


@asynccontextmanager
async def open_services(
    host: OrbitHost, lasting: AsyncExitStack, former: Services | None = None
) -> AsyncGenerator[Services, None]:
    """Open the database, start the providers and the pipeline; close them in reverse order.

    The database stays open until ``lasting`` ends, for the services that take the place of these. Conversations, which
    delete what has expired, are left for the caller to open when requests come here.
    """
    config = host.config
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(host)
            if former is not None:
                database = former.database
            else:
                database = await lasting.enter_async_context(open_database(config))
            collections = await unsearched(host, database) or await astray(host, database)
            warnings = (collections, await missing_models(host, database), await differing(host), await unlisted(host))
            for sentence in filter(None, warnings):
                logger.warning("%s", sentence)
            documents, seals, links = config.host.documents, None, None
            if documents.serve:
                seals = DocumentLinks(TokenInForce(config), documents.link_hours * 3600)
                origins = Origins.of(host.data_dir)
                links = Links(origins, seals, host.default_collection, documents.address)
            pipeline = await stack.enter_async_context(
                Pipeline(host, links=links, former=former.pipeline if former else None)
            )
            conversations = Conversations(database, config.host.sessions, pipeline)
            services = Services(config, host, database, pipeline, conversations, seals, former)
            if former is None:
                lasting.push_async_callback(services.ledger.close)
        except OSError as error:  # a full disk, a read-only folder
            sentence = f"{error.filename or config.data_dir} cannot be used: {error.strerror or error}."
            raise ConfigError([Problem("general.data_dir", sentence)]) from error
        yield services
