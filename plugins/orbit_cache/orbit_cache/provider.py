"""The provider: a wrapper around every provider that generates."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from cachetools import TTLCache

from orbit import CallContext, Chunk, Document, GenerateOptions, Host, Message, Need, Provider, hookimpl
from orbit_cache.answers import Answer, Recording, is_cacheable, key_of, size_of
from orbit_cache.settings import CacheSettings


class CacheProvider(Provider):
    """Answers equal requests of one API key with the same answer, without asking the model again."""

    ORBIT_API = 2
    Settings = CacheSettings
    settings: CacheSettings

    def __init__(self, name: str, settings: CacheSettings, host: Host) -> None:
        super().__init__(name, settings, host)
        self._answers: TTLCache[bytes, Answer] = TTLCache(settings.max_bytes, settings.ttl, getsizeof=size_of)
        self._asking: dict[bytes, asyncio.Future[Answer | None]] = {}
        self._hits = 0
        self._merged = 0
        self._misses = 0
        self._passed = 0

    def needs(self) -> Iterable[Need]:
        """Return the hook whose answers it keeps: a reload that changes a provider of it begins with an empty cache."""
        return (Need("generate"),)

    def metrics(self) -> Mapping[str, float]:
        """Return the requests answered from the cache, by a model, or past the cache, and what the cache holds."""
        return {
            "hits_total": self._hits,
            "merged_total": self._merged,
            "misses_total": self._misses,
            "passed_total": self._passed,
            "answers": len(self._answers),
            "bytes": self._answers.currsize,
        }

    @hookimpl(wrapper=True)
    def generate(
        self,
        messages: Sequence[Message],
        options: GenerateOptions,
        context: CallContext,
        question: str,
        documents: Sequence[Document],
        provider: str,
    ) -> Generator[None, Any, AsyncGenerator[Chunk]]:
        """Answer from the cache, or remember what the provider answers."""
        chunks: AsyncGenerator[Chunk] = yield
        if not is_cacheable(messages, options, sampled=self.settings.sampled):
            self._passed += 1
            return chunks
        try:
            key = key_of(provider, messages, options, context, question, documents)
        except TypeError:  # a client's own parameters, which may be anything
            self._passed += 1
            return chunks
        return self._answer(key, chunks)

    async def _answer(self, key: bytes, chunks: AsyncGenerator[Chunk]) -> AsyncGenerator[Chunk]:
        async with aclosing(chunks):
            answer = self._answers.get(key)
            if answer is not None:
                self._hits += 1
            elif answer := await self._answer_of_another(key):
                self._merged += 1
            if answer is not None:
                for chunk in answer:
                    yield chunk
                return
            self._misses += 1
            recording = Recording()
            asking = asyncio.get_running_loop().create_future()
            leads = self._asking.setdefault(key, asking) is asking
            try:
                async for chunk in chunks:
                    recording.add(chunk)
                    yield chunk
                answer = recording.answer()
                if answer is not None and size_of(answer) <= self.settings.max_bytes:
                    self._answers[key] = answer
            finally:
                asking.set_result(answer)
                if leads:
                    del self._asking[key]

    async def _answer_of_another(self, key: bytes) -> Answer | None:
        """Wait for the answer to an equal request that a model is answering; None if there is none, or none in time.

        A request waits once only: if the other one fails, all who waited ask for themselves, at the same time.
        """
        asking = self._asking.get(key)
        if asking is None or not self.settings.wait:
            return None
        await asyncio.wait([asking], timeout=self.settings.wait)
        return asking.result() if asking.done() else None
