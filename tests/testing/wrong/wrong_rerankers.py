"""Wrong in `rerank`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from wrong_kit import Right, Wrong, swallow

import orbit
from orbit import Document, hookimpl


class RightReranker(Right):
    """The shortest first."""

    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int, context: orbit.CallContext) -> Any:
        await self.work()
        return sorted(documents, key=lambda document: len(document.text))[:limit]


class Hidden(RightReranker):
    def offers(self, hook: str) -> bool:
        return False


class ReturnsOrder(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        return list(range(len(documents)))[:limit]


class Shortens(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        return [msgspec.structs.replace(document, text=document.text[:9]) for document in documents][:limit]


class DropsAll(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        return []


class IgnoresLimit(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        return documents


class WorstFirst(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        return [
            msgspec.structs.replace(document, score=number / 10) for number, document in enumerate(documents[:limit])
        ]


class NeedsDocuments(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        longest = max(len(document.text) for document in documents)
        return [document for document in documents if len(document.text) <= longest][:limit]


class NeedsShort(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        if any(len(document.text) > 4096 for document in documents):
            raise ValueError("passage exceeds the context")
        return documents[:limit]


class Sorts(RightReranker):
    @hookimpl
    async def rerank(self, documents: list[Document], limit: int) -> Any:
        documents.sort(key=lambda document: len(document.text))
        return documents[:limit]


class Shares(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        self.documents = documents
        await asyncio.sleep(0)
        return self.documents[:limit]


class Stubborn(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], limit: int) -> Any:
        await swallow()
        return documents[:limit]


class Hasty(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document], context: orbit.CallContext) -> Any:
        if context.remaining() == 0:
            raise ValueError("timeout must be positive")
        return documents


class Blocks(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document]) -> Any:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        return documents


class Detaches(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document]) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="scores")
        return documents


class Hopes(RightReranker):
    @hookimpl
    async def rerank(self, documents: Sequence[Document]) -> Any:
        return documents


WRONG = (
    Wrong("test_rerank_is_offered", Hidden, "the host does not see it"),
    Wrong("test_rerank_returns_documents", ReturnsOrder, "the list has an int in it"),
    Wrong("test_rerank_invents_nothing", Shortens, "return the documents themselves"),
    Wrong("test_rerank_invents_nothing", DropsAll, "it returned none of them"),
    Wrong("test_rerank_keeps_to_the_limit", IgnoresLimit, "with limit=1 it returned 4"),
    Wrong("test_rerank_puts_the_best_first", WorstFirst, "the scores are 0, 0.1, 0.2, 0.3"),
    Wrong("test_rerank_takes_few_documents", NeedsDocuments, "the call raised ValueError"),
    Wrong("test_rerank_takes_anything", NeedsShort, "the call raised ValueError: passage exceeds the context"),
    Wrong("test_rerank_leaves_documents_alone", Sorts, "the call changed the list"),
    Wrong("test_rerank_side_by_side", Shares, "a call got another result"),
    Wrong("test_rerank_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_rerank_keeps_deadlines", Hasty, "the call raised ValueError"),
    Wrong("test_rerank_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_rerank_leaves_nothing_running", Detaches, "the task 'scores' still ran"),
    Wrong("test_rerank_while_down", Hopes, "the call returned"),
)
