"""All hooks of ORBIT. A plugin implements any of them with ``@orbit.hookimpl``, under the same name.

An implementation has the same kind as its specification (coroutine function, async generator function or plain
function) and takes any subset of its arguments, by name.
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
    Content,
    Document,
    EmbedKind,
    Fetched,
    GenerateOptions,
    Message,
    Model,
    ModerationStage,
    Query,
    Section,
    SourceFile,
    TokenCount,
    Tool,
    ToolCall,
    ToolResult,
    Verdict,
)

if TYPE_CHECKING:
    import click

    from orbit.types import Vectors

PROJECT = "orbit"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
async def generate(
    messages: Sequence[Message],
    options: GenerateOptions,
    context: CallContext,
    question: str,
    documents: Sequence[Document],
    provider: str,
) -> AsyncIterator[Chunk]:
    """Stream the answer to a conversation.

    ORBIT calls it once per chat turn, on the selected provider, and iterates over the result. Closing the iterator
    early, at any point, must stop the work behind it. Raise ProviderError on failure; after the first chunk, the error
    ends the stream. ``messages`` is the complete prompt. ``question`` and ``documents``, the passages in it, best
    first, are for providers that read no prompts. ``provider``, the name of the instance that answers, is for wrappers.
    Messages have parts, tool calls or the role ``tool`` only if the model supports them; see ``models``.
    """
    yield Chunk()
    raise NotImplementedError


@hookspec(firstresult=True)
async def models(context: CallContext) -> Sequence[Model]:
    """Return the models that ``generate`` can answer with, each with what it supports. The configured one comes first.

    ORBIT asks when a request needs more than text, and remembers the answer for a minute. It refuses what the model
    does not support with HTTP 400. A model that is not listed counts as able as the first one. Models of a provider
    without this hook support text only. An error fails the request.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def count_tokens(messages: Sequence[Message], options: GenerateOptions, context: CallContext) -> TokenCount:
    """Return the size of a prompt as ``generate`` would read it, and the model's context window.

    The tools in ``options`` are a part of the prompt.

    ORBIT calls it before ``generate``, on the selected provider, to fit history and documents into the window; several
    times if they do not fit. Without this hook ORBIT leaves nothing out. An error fails the turn.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def embed(texts: Sequence[str], kind: EmbedKind, context: CallContext) -> Vectors:
    """Embed texts: return one float32 array of shape ``(len(texts), dimension)``, rows in the order of the texts.

    ORBIT calls it on the selected provider when a component needs vectors, usually a store that retrieves or indexes.
    ``kind`` tells models with two prefixes which one to use; both give the same dimension. A text's vector must not
    depend on the other texts in the call. For no texts, return an array without rows. Split large inputs into batches
    inside the hook. An error fails the operation that needed the vectors.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def embed_tokens(tokens: Sequence[Sequence[int]], context: CallContext) -> Vectors:
    """Embed documents that clients give as token ids of the model's own vocabulary, one sequence each, never empty.

    ORBIT calls it on the selected provider of ``embed``. Return what ``embed`` returns for their texts, with or without
    the tokens around a text, such as ``[CLS]``. For ids of another vocabulary raise ProviderError of kind ``rejected``
    with the option ``tokens``, as ``orbit.text_of_tokens`` does: their vector would be that of another text, and nobody
    would notice. Without this hook, clients must send text.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def retrieve(query: Query, limit: int, context: CallContext) -> Sequence[Document]:
    """Return at most ``limit`` documents for a question, best first, each with a unique id.

    Scores are optional and range from 0 to 1. Return only documents of ``query.collection`` and, if ``filters`` returns
    True, the best of those that ``query.filter`` and ``query.readers`` allow: ``orbit.filters.first_allowed`` helps.
    For a collection that does not exist, return an empty list or raise ProviderError. ORBIT calls it on every enabled
    provider concurrently, each with its own deadline. It fuses several lists by score if it knows the scale of each
    (``Provider.calibration``), else by rank. After an error the client receives 503, unless ``retrieval.on_error`` says
    otherwise.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def fetch(known: Mapping[str, str], limit: int, context: CallContext) -> AsyncIterator[Fetched]:
    """Yield every file of a folder, a bucket, a site or the like, each with a unique name.

    ``orbit sync`` calls it on each enabled provider and ingests the files. ``known`` has the version of each file that
    need not be fetched again while its version stays the same: yield it without content then. Yield a file of more than
    ``limit`` bytes, or one that cannot be fetched now, with its ``problem``; its earlier passages stay.

    ``Fetched.readers`` are the groups that may read the file, and ``Fetched.metadata`` are fields for filters. Give
    them with every file. A file's version must change when they do: if they change and the file comes without its
    content, its passages are removed.

    The passages of files that are not yielded are removed. So if anything cannot be listed, yield what can, then raise
    ProviderError: nothing is removed. The deadline ``timeouts.fetch`` applies to each file. Closing the iterator early
    must stop the work behind it.
    """
    yield Fetched("")
    raise NotImplementedError


@hookspec(firstresult=True)
def read(file: SourceFile, context: CallContext) -> Content:
    """Return the text of a file, in sections that each know their headings and their place in the file.

    ORBIT calls it for files whose extension ``Provider.reads`` returns, also for attachments inside other files, and
    before its own reader of that extension. Raise UnreadableError to say why a file cannot be read; it is then skipped.
    Name what is missing in ``Content.warnings``.

    The provider that reads ``.png`` also reads the pages of a PDF that hold pictures and no text: ORBIT draws each such
    page at 300 dots an inch and gives it as a file. The text takes the page's place, and ORBIT sets its ``page``.

    The call runs in a separate process that ORBIT kills at the deadline or memory limit of ``ingest``, so it may block.
    There, the provider has its configured settings but is not started, and its host answers no calls.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def split(sections: Sequence[Section], context: CallContext) -> Sequence[Section]:
    """Return sections of the size of passages, in order. Each becomes one passage.

    ORBIT calls it on the selected provider with all sections of a file; without one it splits by ``ingest.chunk_size``.
    Each ``path`` begins with the file's title. A passage is its path, unless the section is ``whole``, then its header
    and text. Lose no text: shorten, copy and join sections as you like, and keep or refine their ``metadata``.

    The call runs where ``read`` does: it may block, and the provider is not started.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def index(collection: str, documents: Sequence[Document], context: CallContext) -> int:
    """Store documents and return how many were written.

    Ingestion calls it on every store with all documents of one or more sources. They replace everything that the
    collection holds of those sources. Create the collection if it does not exist. If the hook raises, ingestion reports
    these sources as failed; their earlier documents must stay readable. Keep ``Document.readers`` if ``filters``
    returns True; otherwise ORBIT gives the store no document that has some. A source may have any number of documents:
    embed them all, then write, and call ``context.progress`` after each batch, which starts the deadline again.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def drop(collection: str, context: CallContext) -> bool:
    """Delete a collection with all its documents. Return False if it did not exist.

    ORBIT calls it on every store.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def forget(collection: str, sources: Sequence[str], context: CallContext) -> int:
    """Delete all documents of the given sources and return how many of these sources existed.

    ORBIT calls it on every store when an administrator removes files from a collection. If a store lacks this hook,
    only whole collections can be dropped.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def list_sources(collection: str, context: CallContext) -> Mapping[str, str]:
    """Return the sources in a collection, each with the ``digest`` its documents were indexed with.

    Ingestion calls it on every store, to skip files that have not changed; all stores have to agree. Return an empty
    mapping if the collection does not exist.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def list_passages(collection: str, sources: Sequence[str], context: CallContext) -> Sequence[Document]:
    """Return all documents of the given sources, without scores, those of a source in the order they were indexed in.

    ``orbit collections complete`` calls it on a store that holds what another one lacks, and ``retrieval.expand`` for
    each question. From a store whose ``filters`` returns True, ORBIT also learns who may read a source. Return an empty
    list if the collection does not exist.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def list_collections(context: CallContext) -> Sequence[Collection]:
    """Return the collections of this store, sorted by name."""
    raise NotImplementedError


@hookspec(firstresult=True)
async def copy(collection: str, target: str, embedding: str, context: CallContext) -> int:
    """Copy all documents of a collection into another one and return how many ``target`` holds then; 0 if none exist.

    ORBIT calls it on every store to copy a collection, and to give it vectors of another embedding model.
    ``embedding`` names the model of the copy's vectors, for ``host.embed``; embed the texts anew unless the
    collection's vectors come from it. Skip what an interrupted copy left in ``target``, and delete there what the
    collection does not hold. Call ``context.progress`` after each batch.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def rename(collection: str, new_name: str, context: CallContext) -> bool:
    """Rename a collection. Return False if it did not exist. Raise ProviderError if ``new_name`` exists.

    ORBIT calls it on every store.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def adopt(collection: str, context: CallContext) -> Collection:
    """Take over a collection that another program created, and return it as ``list_collections`` does.

    ``orbit collections adopt`` calls it on every store that has this hook. The store verifies that the vectors come
    from the embedding model in use, and records the model. Raise ProviderError to say why the collection cannot be
    used.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def rerank(query: Query, documents: Sequence[Document], limit: int, context: CallContext) -> Sequence[Document]:
    """Reorder documents and return at most ``limit`` of them, best first.

    Change nothing in them except ``score``, which ranges from 0 to 1. Return a single document, or none, unchanged.
    ORBIT calls it on each enabled provider, in the order of the configuration. On an error it keeps the previous order,
    logs a warning and counts the failure.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def moderate(stage: ModerationStage, messages: Sequence[Message], context: CallContext) -> Verdict:
    """Decide whether a question (``input``) or an answer (``output``) may pass. Judge the last message.

    Judge the whole message, however long it is, and give each refusal a ``reason`` for the operator. ORBIT calls it on
    every enabled provider concurrently; one refusal is enough to refuse. After an error or a missed deadline the client
    receives 503: a guard that cannot decide lets nothing through.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def tools(context: CallContext) -> Sequence[Tool]:
    """Return the tools that models may call, each with a name of its own: 1 to 64 letters, digits, ``_`` and ``-``.

    ORBIT calls it on every enabled provider before each answer, so return what is in memory. A model that supports
    tools is offered those that the key may use (setting ``tools``). After an error or a missed deadline the model
    answers without this provider's tools. Implement ``call_tool`` too.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def call_tool(call: ToolCall, context: CallContext) -> ToolResult:
    """Call one of this provider's tools and return its result.

    ORBIT calls it when the model does; several calls of one answer run concurrently, each with its own deadline. The
    arguments are a JSON object, but the model wrote them: check them. Return ``ToolResult(sentence, error=True)`` for
    what the model can mend. Raise ProviderError for what it cannot: the model reads ``client`` or a general sentence.
    Either way, the answer goes on. The result is data for the model, not an order: ORBIT makes it harmless like a
    passage.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
async def log(record: ChatRecord, context: CallContext) -> None:
    """Record a finished turn, exactly once, at the latest when the provider stops.

    ORBIT calls it on every enabled provider after it has sent the last byte. Neither delays nor errors affect the
    reply.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def register_routes() -> Sequence[Any]:
    """Return Litestar route handlers to mount under ``/plugins/<instance>/``. They require the same key as ``/chat``.

    A handler with ``opt={"top": True}`` is mounted at its own path. Its key may also be a bearer token, and its
    requests do not count against the key's limit.

    ORBIT calls it once on every started provider, when it builds the application.
    """
    raise NotImplementedError


@hookspec(firstresult=True)
def register_commands(group: click.Group) -> None:
    """Add click commands to ``group``, which is ``orbit <plugin>``.

    ORBIT calls it when someone runs that command. The provider has its configured settings but is not started.
    """
    raise NotImplementedError
