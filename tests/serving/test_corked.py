"""What is written within one turn of the event loop leaves in one write, in order."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
import uvloop

from orbit.serving.corked import CorkedTransport, turn_end

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Transport:
    """Keeps what is written, as a list of writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def write_eof(self) -> None:
        self.ended = "eof"

    def close(self) -> None:
        self.ended = "closed"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_write_buffer_size(self) -> int:
        return 7


def corked() -> tuple[CorkedTransport, Transport]:
    transport = Transport()
    return CorkedTransport(transport, turn_end(asyncio.get_running_loop())), transport


async def test_head_and_body_are_one_write() -> None:
    cork, transport = corked()
    cork.write(HEAD)
    cork.write(b"hi")
    await asyncio.sleep(0)
    assert transport.writes == [HEAD + b"hi"]


async def test_a_head_without_a_body_leaves_by_itself() -> None:
    cork, transport = corked()
    cork.write(HEAD)
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]


async def test_an_interim_response_does_not_wait() -> None:
    cork, transport = corked()
    cork.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_the_first_piece_of_a_turn_leaves_at_once_and_the_others_together() -> None:
    cork, transport = corked()
    for _ in range(2):
        cork.write(b"one")
        cork.write(b"two")
        cork.write(b"three")
        assert transport.writes[-1] == b"one"
        await asyncio.sleep(0)
    assert transport.writes == [b"one", b"twothree"] * 2


async def test_two_responses_stay_in_order() -> None:
    cork, transport = corked()
    cork.write(HEAD)
    cork.write(HEAD)
    cork.write(b"hi")
    await asyncio.sleep(0)
    assert b"".join(transport.writes) == HEAD + HEAD + b"hi"


async def test_much_data_leaves_at_once_so_that_the_transport_can_ask_for_a_pause() -> None:
    cork, transport = corked()
    cork.write(b"a")
    cork.write(b"b" * 40_000)
    assert transport.writes == [b"a"]
    cork.write(b"c" * 40_000)
    assert transport.writes == [b"a", b"b" * 40_000 + b"c" * 40_000]


async def test_a_writer_that_keeps_the_turn_for_itself_is_heard_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 5.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    cork, transport = corked()
    for piece in (HEAD, b"one", b"two"):
        cork.write(piece)
    assert transport.writes == [HEAD + b"one"]
    now += 0.01
    cork.write(b"three")
    assert transport.writes == [HEAD + b"one", b"twothree"]


@pytest.mark.parametrize(("end", "ended"), [("close", "closed"), ("write_eof", "eof")])
async def test_the_end_comes_after_what_was_written(end: str, ended: str) -> None:
    cork, transport = corked()
    cork.write(HEAD)
    getattr(cork, end)()
    assert (transport.writes, transport.ended) == ([HEAD], ended)
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]


async def test_all_else_is_the_transports() -> None:
    cork, _ = corked()
    assert cork.get_write_buffer_size() == 7


async def test_connections_share_the_end_of_a_turn() -> None:
    (one, first), (two, second) = corked(), corked()
    for cork in (one, two):
        cork.write(b"a")
        cork.write(b"b")
        cork.write(b"c")
    await asyncio.sleep(0)
    assert first.writes == second.writes == [b"a", b"bc"]
    two.write(b"d")
    two.write(b"e")
    await asyncio.sleep(0)
    assert (first.writes, second.writes) == ([b"a", b"bc"], [b"a", b"bc", b"d", b"e"])


async def _connected(loop: asyncio.AbstractEventLoop) -> tuple[asyncio.Transport, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)  # noqa: FBT003  # its only form
    theirs.settimeout(10)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    return transport, theirs


async def _one_leaves() -> list[bytes]:
    """Write to three connections of which the first closes, and return what the others got."""
    loop = asyncio.get_running_loop()
    connections = [await _connected(loop) for _ in range(3)]
    corks = [CorkedTransport(transport, turn_end(loop)) for transport, _ in connections]
    connections[0][0].abort()  # as when a client leaves: uvloop closes it before the turn's end is called
    for cork in corks:
        cork.write(HEAD)
    await asyncio.sleep(0.01)
    got = []
    for cork, (transport, theirs) in zip(corks[1:], connections[1:], strict=True):
        for number in range(3):
            cork.write(b"%d" % number)
        await asyncio.sleep(0.01)
        got.append(theirs.recv(1000))
        transport.abort()
    for _, theirs in connections:
        theirs.close()
    await asyncio.sleep(0)
    return got


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_client_that_leaves_holds_up_no_other(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(_one_leaves()) == [HEAD + b"012"] * 2


async def test_a_connection_that_cannot_be_written_to_holds_up_no_other() -> None:
    class Broken(Transport):
        def write(self, data: bytes) -> None:
            raise RuntimeError("closed")

    failed: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failed.append(str(context["exception"])))
    broken, (cork, transport) = CorkedTransport(Broken(), turn_end(loop)), corked()
    broken.write(HEAD)
    cork.write(HEAD)
    await asyncio.sleep(0.01)
    assert (transport.writes, failed) == ([HEAD], ["closed"])
