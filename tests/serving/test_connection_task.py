"""The task that serves the requests of a connection: what one request leaves behind reaches no other."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from orbit.serving.http_protocol import LimitedProtocol

Ask = Callable[[], Awaitable[bytes]]
user: ContextVar[str] = ContextVar("user", default="nobody")


@asynccontextmanager
async def asking(app: Callable[..., Awaitable[None]], state: ServerState) -> AsyncGenerator[Ask, None]:
    """A connection to a server of an application. Yields what sends a request and returns the body of its response."""
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: LimitedProtocol(config, state, {}), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

        async def ask() -> bytes:
            writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
            return await asyncio.wait_for(reader.readexactly(length), 5)

        try:
            yield ask
        finally:
            writer.close()


async def answer(send: Any, text: str) -> None:
    body = text.encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def test_requests_of_a_connection_share_a_task_which_ends_with_it() -> None:
    seen: list[asyncio.Task[Any] | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        seen.append(asyncio.current_task())
        await asyncio.sleep(0)
        await answer(send, "well")

    state = ServerState()
    async with asking(app, state) as ask:
        assert [await ask() for _ in range(3)] == [b"well"] * 3
        assert not state.tasks, "uvicorn would wait for an idle connection"
    assert len(set(seen)) == 1
    task = seen[0]
    assert task is not None
    await asyncio.wait_for(task, 5)


async def test_the_task_ends_with_a_connection_that_closes_during_a_request() -> None:
    begun: asyncio.Future[asyncio.Task[Any] | None] = asyncio.get_running_loop().create_future()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope
        begun.set_result(asyncio.current_task())
        while (await receive())["type"] != "http.disconnect":
            pass
        await answer(send, "too late")

    async with asking(app, ServerState()) as ask:
        asked = asyncio.ensure_future(ask())
        task = await asyncio.wait_for(begun, 5)
    assert task is not None
    await asyncio.wait_for(task, 5)
    await asyncio.gather(asked, return_exceptions=True)


async def test_a_context_variable_reaches_no_later_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        found = user.get()
        user.set("alice")
        await answer(send, found)

    async with asking(app, ServerState()) as ask:
        assert [await ask() for _ in range(2)] == [b"nobody"] * 2


async def test_work_after_a_response_holds_up_no_later_request() -> None:
    ended = asyncio.Event()
    state = ServerState()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await answer(send, str(len(state.tasks)))
        await ended.wait()

    async with asking(app, state) as ask:
        assert [await ask() for _ in range(3)] == [b"1", b"2", b"3"]
        running = list(state.tasks)
        ended.set()
        for _ in range(10):  # more turns of the loop than the ends of these take
            await asyncio.sleep(0)
        assert sum(not task.done() for task in running) == 1, "one waits for the next request"
        assert await ask() == b"1"


async def test_a_cancellation_reaches_no_later_request() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        task = asyncio.current_task()
        assert task is not None
        found = task.cancelling()
        task.cancel()
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            await answer(send, str(found))

    async with asking(app, ServerState()) as ask:
        assert [await ask() for _ in range(2)] == [b"0"] * 2
