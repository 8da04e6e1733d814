"""A body is read up to its limit, and mistakes in it are told in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from orbit.web.http.body import check_length, decode, read_body
from orbit.web.http.problems import RequestError


class Question(msgspec.Struct):
    message: str


class Client:
    """Sends a body in pieces; notes how many the server took."""

    def __init__(self, *pieces: bytes, leaves: bool = False) -> None:
        self._messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
        ]
        if leaves:
            self._messages.append({"type": "http.disconnect"})
        else:
            self._messages[-1]["more_body"] = False
        self.taken = 0

    async def __call__(self) -> Any:
        self.taken += 1
        return self._messages[self.taken - 1]


async def read(client: Client, limit: int, headers: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    scope: Any = {"type": "http", "headers": list(headers), "state": {}}
    return await read_body(scope, client, limit)


@pytest.mark.parametrize("pieces", [[b""], [b"12345"], [b"1", b"23", b"", b"45"]])
async def test_a_body_up_to_the_limit_comes_whole(pieces: list[bytes]) -> None:
    assert await read(Client(*pieces), 5) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[b"123456"], [b"123", b"456"], [b"1"] * 6])
async def test_a_longer_body_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(RequestError, match="larger than 5 bytes") as raised:
        await read(Client(*pieces), 5)
    assert (raised.value.status, raised.value.code) == (413, "body_too_large")


async def test_an_endless_body_is_not_read_on() -> None:
    client = Client(*[b"123"] * 100)
    with pytest.raises(RequestError):
        await read(client, 5)
    assert client.taken == 2


async def test_a_body_that_says_it_is_too_long_is_not_read_at_all() -> None:
    client = Client(b"x")
    with pytest.raises(RequestError):
        await read(client, 5, [(b"content-length", b"6")])
    assert client.taken == 0
    assert await read(client, 5, [(b"content-length", b"5")]) == b"x"


@pytest.mark.parametrize("pieces", [[], [b"12"]])
async def test_a_client_that_leaves_meanwhile_has_sent_no_body(pieces: list[bytes]) -> None:
    with pytest.raises(RequestError, match="closed before the whole body") as raised:
        await read(Client(*pieces, leaves=True), 5)
    assert (raised.value.status, raised.value.code) == (400, "incomplete_body")


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b"{", "invalid_json", "The body is not valid JSON: "),
        (b"", "invalid_json", "The body is not valid JSON: "),
        (b'{"message": "\xff"}', "invalid_json", "The body is not valid JSON: "),
        (b"[" * 100_000, "invalid_json", "nested too deeply"),
        (b'{"message": 1}', "invalid_request", "Expected `str`, got `int` - at `$.message`. "),
        (b"{}", "invalid_request", "Object missing required field `message`. "),
    ],
)
def test_a_mistake_in_the_body_is_named_with_what_was_expected(body: bytes, code: str, words: str) -> None:
    decoder: Any = msgspec.json.Decoder(Any if body.startswith(b"[") else Question)
    with pytest.raises(RequestError) as raised:
        decode(body, decoder, "Send a message.")
    assert (raised.value.status, raised.value.code) == (400, code)
    assert words in raised.value.client
    assert raised.value.client.endswith("Send a message.")


class Conversation(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[Question]
    names: dict[str, int] = {}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", "messages"),
        (b"[]", ""),
        (b"{", ""),
        (b'{"messages": 5}', "messages"),
        (b'{"messages": [{"message": "a"}, {"message": 1}]}', "messages[1].message"),
        (b'{"messages": [{}]}', "messages[0].message"),
        (b'{"messages": [], "other": 1}', "other"),
        (b'{"messages": [], "names": {"a": "b"}}', "names[...]"),
    ],
)
def test_the_place_of_a_mistake_is_a_parameter(body: bytes, param: str) -> None:
    with pytest.raises(RequestError) as raised:
        decode(body, msgspec.json.Decoder(Conversation), "")
    assert raised.value.param == param


def test_a_right_body_is_decoded() -> None:
    assert decode(b'{"message": "When?"}', msgspec.json.Decoder(Question), "").message == "When?"


def test_a_message_may_be_as_long_as_the_limit() -> None:
    check_length("12345", 5)
    with pytest.raises(RequestError, match="has 6 characters; at most 5 are allowed") as raised:
        check_length("123456", 5)
    assert (raised.value.status, raised.value.code) == (413, "message_too_long")
