"""Wrong in how they wrap hooks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing
from typing import Any

from wrong_kit import Right, Wrong

import orbit
from orbit import Chunk


class RightWrapper(Right):
    """Counts calls; of one hook it knows the answer."""

    calls = 0

    @orbit.hookimpl(wrapper=True)
    def retrieve(self) -> Generator[None, Any, Any]:
        return self.awaited((yield))

    @orbit.hookimpl(wrapper=True)
    def moderate(self, stage: str) -> Generator[None, Any, Any]:
        return self.awaited((yield))

    @orbit.hookimpl(wrapper=True)
    def embed(self) -> Generator[None, Any, Any]:
        return self.awaited((yield))

    @orbit.hookimpl(wrapper=True)
    def generate(self) -> Generator[None, Any, Any]:
        return self.iterated((yield))

    @orbit.hookimpl(wrapper=True)
    def rerank(self) -> Generator[None, Any, Any]:
        return self.remembered((yield))

    async def awaited(self, call: Any) -> Any:
        self.calls += 1
        return await call

    async def remembered(self, call: Any) -> Any:
        """Do without the call."""
        call.close()
        return []

    async def iterated(self, chunks: AsyncGenerator[Chunk, None]) -> Any:
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk


class WrapsNothing(Right):
    pass


class NeverYields(RightWrapper):
    @orbit.hookimpl(wrapper=True)
    def retrieve(self) -> Generator[None, Any, Any]:
        if self.calls < 0:
            yield
        return []


class YieldsTwice(RightWrapper):
    @orbit.hookimpl(wrapper=True)
    def retrieve(self) -> Generator[None, Any, Any]:
        call = yield
        yield
        return call


class ForgetsReturn(RightWrapper):
    @orbit.hookimpl(wrapper=True)
    def retrieve(self) -> Generator[None, Any, Any]:
        self.awaited((yield)).close()


class DropsCall(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        return []


class ReadsTheFirst(RightWrapper):
    async def iterated(self, chunks: AsyncGenerator[Chunk, None]) -> Any:
        yield await anext(chunks)
        yield Chunk(finish_reason="stop")


class ReturnsNothing(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        await call


class Swallows(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        try:
            return await call
        except orbit.ProviderError:
            return []


class RaisesRaw(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        try:
            return await call
        except orbit.ProviderError as error:
            raise RuntimeError("it failed") from error


class EndsEarly(RightWrapper):
    async def iterated(self, chunks: AsyncGenerator[Chunk, None]) -> Any:
        try:
            async for chunk in chunks:
                yield chunk
        except orbit.ProviderError:
            return


class LeavesOpen(RightWrapper):
    async def iterated(self, chunks: AsyncGenerator[Chunk, None]) -> Any:
        async for chunk in chunks:
            yield chunk


class OnlyIterates(RightWrapper):
    """Returns something that cannot be closed."""

    @orbit.hookimpl(wrapper=True)
    def generate(self) -> Generator[None, Any, Any]:
        chunks = yield

        class Chunks:
            def __aiter__(self) -> AsyncIterator[Chunk]:
                return self

            async def __anext__(self) -> Chunk:
                return await anext(chunks)

        return Chunks()


class Shields(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        return await asyncio.shield(call)


class KeepsCall(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        self.result = await call
        await asyncio.sleep(0.01)
        return self.result


class Detaches(RightWrapper):
    async def awaited(self, call: Any) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(2), name="reporter")
        return await call


WRONG = (
    Wrong("test_wrapper_yields_once", WrapsNothing, "the host sees no wrapper"),
    Wrong("test_wrapper_yields_once", NeverYields, "of retrieve it never yields"),
    Wrong("test_wrapper_yields_once", YieldsTwice, "of retrieve it yields more than once"),
    Wrong("test_wrapper_yields_once", ForgetsReturn, "of retrieve it returned None"),
    Wrong("test_wrapper_awaits_what_it_gets", DropsCall, "the call of embed inside was dropped"),
    Wrong("test_wrapper_awaits_what_it_gets", ReadsTheFirst, "the call of generate inside was left before its end"),
    Wrong("test_wrapper_awaits_what_it_gets", ReturnsNothing, "came None instead of"),
    Wrong("test_wrapper_passes_errors_on", Swallows, "of embed came a list instead"),
    Wrong("test_wrapper_passes_errors_on", RaisesRaw, "of embed it became RuntimeError: it failed"),
    Wrong("test_wrapper_passes_errors_on", EndsEarly, "of generate came a list instead"),
    Wrong("test_wrapper_closes_its_stream", LeavesOpen, "the one inside stayed open; read the stream within"),
    Wrong("test_wrapper_closes_its_stream", OnlyIterates, "which cannot be closed"),
    Wrong("test_wrapper_can_be_cancelled", Shields, "of embed inside went on; await it in the same task"),
    Wrong("test_wrapper_side_by_side", KeepsCall, "a call got another result among 4 at the same time"),
    Wrong("test_wrapper_leaves_nothing_running", Detaches, "the task 'reporter' still ran"),
)
