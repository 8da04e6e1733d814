"""What providers of model servers share at their start: waiting, and requiring a server that works."""

from __future__ import annotations

from typing import ClassVar

import pytest

from orbit import ConfigError, ProviderError
from orbit.upstreams import Address, Server, ServerSettings, check_servers, until_answered

AWAY = ProviderError("it is away.", kind="unavailable", retryable=True)
WRONG = ProviderError("it refuses.", kind="failed", retryable=False)


async def test_an_answer_is_waited_for() -> None:
    errors = [AWAY, AWAY]

    async def ask() -> str:
        if errors:
            raise errors.pop()
        return "here"

    assert await until_answered(ask, 60.0, "Start it.") == "here"


@pytest.mark.parametrize(("error", "said"), [(AWAY, "it is away. Start it."), (WRONG, "it refuses.")])
async def test_what_is_not_waited_for(error: ProviderError, said: str) -> None:
    asked = []

    async def ask() -> None:
        asked.append(1)
        raise error

    with pytest.raises(ProviderError) as raised:
        await until_answered(ask, 0.0 if error is AWAY else 60.0, "Start it.")
    assert (raised.value.message, raised.value.retryable, len(asked)) == (said, error.retryable, 1)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("problem", [AWAY, ConfigError("it lacks the model")], ids=["away", "lacks"])
async def test_one_server_has_to_work(required: bool, problem: ProviderError | ConfigError) -> None:
    servers = [Server(Address.parse(f"http://{name}")) for name in ("one", "two")]
    settings = ServerSettings(require_server=required)
    warned: list[ProviderError | ConfigError | str] = []

    async def two_works(server: Server) -> None:
        if server is servers[0]:
            raise problem

    async def none_works(_: Server) -> None:
        raise problem

    await check_servers(settings, servers, two_works, warned.append)
    assert warned == [problem]
    assert servers[0].avoided_until > servers[1].avoided_until == 0.0
    if required:
        with pytest.raises(type(problem)):
            await check_servers(settings, servers, none_works, warned.append)
    else:
        await check_servers(settings, servers, none_works, warned.append)
        assert warned == [problem] * 3


async def test_other_errors_are_mistakes() -> None:
    async def fails(_: Server) -> None:
        raise ValueError("a mistake")

    settings, servers = ServerSettings(require_server=False), [Server(Address.parse("http://one"))]
    with pytest.raises(ValueError, match="a mistake"):
        await check_servers(settings, servers, fails, lambda _: None)
    await check_servers(ServerSettings(), [], fails, lambda _: None)


async def test_routes_in_addresses_are_named() -> None:
    class Settings(ServerSettings, frozen=True):
        ROUTES: ClassVar = r"/(chat/completions|embeddings)$"

    async def works(_: Server) -> None: ...

    warned: list[ProviderError | ConfigError | str] = []
    await check_servers(Settings(("http://h/v1/chat/completions", "http://h/v1")), [], works, warned.append)
    (sentence,) = warned
    assert "(http://h/v1/chat/completions); ORBIT appends it itself, so it uses http://h/v1" in str(sentence)
