"""Every hook of ORBIT. A plugin implements any of them, with ``@orbit.hookimpl``, under the same name.

An implementation is of the same kind as its specification (a coroutine function, an async generator function or a
plain function) and takes any subset of its arguments, by name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from orbit.types import (
    CallContext,
    ChatRecord,
    Chunk,
    Collection,
    Document,
    EmbedKind,
    GenerateOptions,
    Message,
    ModerationStage,
    Query,
    TokenCount,
    Verdict,
)

if TYPE_CHECKING:
    import click

    from orbit.types import Vectors

PROJECT = "orbit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
async def generate(messages: Sequence[Message], options: GenerateOptions, context: CallContext) -> AsyncIterator[Chunk]:
    """Write the answer to a conversation, piece by piece.

    Called once a chat turn, on the one selected provider; the pipeline iterates. Closing the iterator early, at any
    point, must stop the work behind it. Raise ProviderError; after the first chunk it ends the stream with an error.
    """
    yield Chunk()
    raise NotImplementedError


@hookspec(firstresult=True)
async def count_tokens(messages: Sequence[Message], context: CallContext) -> TokenCount:
    """Measure a prompt as ``generate`` would read it, and the model's window.

    Called before ``generate``, on the selected provider, to fit history and documents to the window; several times if
    they do not fit. Without it nothing is left out. An error fails the turn.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def embed(texts: Sequence[str], kind: EmbedKind, context: CallContext) -> Vectors:
    """Turn texts into vectors: one float32 array of shape ``(len(texts), dimension)``, rows in order.

    Called on the one selected provider by whoever needs vectors, usually a store that retrieves or indexes.
    ``kind`` tells models with two prefixes which one applies; the dimension is the same for both. The vector of a text
    does not depend on the texts beside it. No texts give an array without rows, many are divided by the hook itself.
    An error fails what the vectors were for.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def retrieve(query: Query, limit: int, context: CallContext) -> Sequence[Document]:
    """Find at most ``limit`` documents for a question, best first, each with an id of its own.

    Scores, if any, are from 0 to 1. Nothing of another collection than ``query.collection`` is returned, and a
    collection that does not exist is an empty list or a ProviderError.

    Called on every enabled provider at the same time, each with its deadline; several lists are fused by rank.
    An error answers the client with 503 unless ``retrieval.on_error`` says otherwise.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def index(collection: str, documents: Sequence[Document], context: CallContext) -> int:
    """Store documents and return how many were written.

    Called by ingestion, on the selected store, with all documents of one or more sources: they replace whatever the
    collection held of those sources. The collection is made if it does not exist. An error reports those sources
    as failed; what was stored of them before stays readable.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def drop(collection: str, context: CallContext) -> bool:
    """Delete a collection and all that is in it; False if it did not exist. Called on the selected store."""
    raise NotImplementedError


@hookspec(firstresult=True)
async def forget(collection: str, sources: Sequence[str], context: CallContext) -> int:
    """Delete all documents of some sources and return how many of these sources there were.

    Called on the selected store when an administrator takes files out of a collection. A store without it can only
    drop whole collections.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def list_sources(collection: str, context: CallContext) -> Mapping[str, str]:
    """The sources in a collection, each with the ``digest`` its documents were indexed with.

    Called by ingestion on the selected store, to skip what has not changed. Empty if there is no such collection.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def list_collections(context: CallContext) -> Sequence[Collection]:
    """The collections of the selected store, by name."""
    raise NotImplementedError


@hookspec(firstresult=True)
async def adopt(collection: str, context: CallContext) -> Collection:
    """Take over a collection that another program made, and return it as ``list_collections`` does.

    Called on the selected store by ``orbit collections adopt``. The store makes sure that the vectors are those of the
    embedding in use, and records it. Raise ProviderError to say why the collection cannot be used.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def rerank(query: Query, documents: Sequence[Document], limit: int, context: CallContext) -> Sequence[Document]:
    """Put documents in a better order and return at most ``limit`` of them, best first.

    They are returned as they came but for their ``score``, from 0 to 1. A single one, or none, is returned as it is.

    Called on each enabled provider in the order of the configuration. On an error the order stays as it was, a
    warning is logged and the failure is counted.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def moderate(stage: ModerationStage, messages: Sequence[Message], context: CallContext) -> Verdict:
    """Decide whether a question (``input``) or an answer (``output``) may pass; the last message is in question.

    All of the message is judged, however long it is, and a refusal has a ``reason`` for the operator.

    Called on every enabled provider at the same time; one refusal refuses. An error or a missed deadline answers
    503: a guard that cannot decide does not let through.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def log(record: ChatRecord, context: CallContext) -> None:
    """Keep the record of a finished turn, once, at the latest when the provider stops.

    Called on every enabled provider after the last byte has left. Neither its duration nor an error touches the reply.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def register_routes() -> Sequence[Any]:
    """Litestar route handlers, mounted under ``/plugins/<instance>/`` behind the same key as ``/chat``.

    Called once on every started provider, when the application is built.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def register_commands(group: click.Group) -> None:
    """Add click commands to ``group``, which is ``orbit <plugin>``.

    Called when that command is used; the provider is not started, its settings are those of the configuration.
    """
    raise NotImplementedError
