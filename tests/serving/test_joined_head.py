"""The head of a response leaves with the beginning of its body, in order, and within one turn of the event loop."""

from __future__ import annotations

import asyncio

import pytest

from orbit.serving.joined_head import JoinedHead

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

    def get_write_buffer_size(self) -> int:
        return 7


def joined() -> tuple[JoinedHead, Transport]:
    transport = Transport()
    return JoinedHead(transport, asyncio.get_running_loop()), transport


async def test_head_and_body_are_one_write() -> None:
    head, transport = joined()
    head.write(HEAD)
    head.write(b"hi")
    await asyncio.sleep(0)
    assert transport.writes == [HEAD + b"hi"]


async def test_a_head_without_a_body_leaves_by_itself() -> None:
    head, transport = joined()
    head.write(HEAD)
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]


async def test_an_interim_response_does_not_wait() -> None:
    head, transport = joined()
    head.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_two_responses_stay_in_order() -> None:
    head, transport = joined()
    head.write(HEAD)
    head.write(HEAD)
    head.write(b"hi")
    await asyncio.sleep(0)
    assert b"".join(transport.writes) == HEAD + HEAD + b"hi"


@pytest.mark.parametrize(("end", "ended"), [("close", "closed"), ("write_eof", "eof")])
async def test_the_end_comes_after_the_head(end: str, ended: str) -> None:
    head, transport = joined()
    head.write(HEAD)
    getattr(head, end)()
    assert (transport.writes, transport.ended) == ([HEAD], ended)
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]


async def test_all_else_is_the_transports() -> None:
    head, _ = joined()
    assert head.get_write_buffer_size() == 7


async def test_the_next_response_is_joined_too() -> None:
    head, transport = joined()
    for _ in range(2):
        head.expect()
        head.write(HEAD)
        head.write(b"hi")
        head.write(b"there")
    assert transport.writes == [HEAD + b"hi", b"there"] * 2


async def test_a_head_that_waits_is_not_forgotten_when_the_next_request_arrives() -> None:
    head, transport = joined()
    head.write(HEAD)
    head.expect()
    head.write(b"hi")
    assert transport.writes == [HEAD + b"hi"]
