"""What providers of model servers do at their start: wait for the servers, and require one that works."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from orbit.errors import ConfigError, ProviderError
from orbit.upstreams.pool import Server
from orbit.upstreams.settings import ServerSettings

T = TypeVar("T")

_PAUSE: Final = 0.25
"""Seconds between two attempts."""


async def until_answered(ask: Callable[[], Awaitable[T]], seconds: float, hint: str) -> T:
    """Return what ``ask`` returns, and ask again for so many seconds while it raises a retryable ProviderError.

    The last error is raised with ``hint``, what the operator can do about a server that is away.
    """
    from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_fixed  # noqa: PLC0415  # 30 ms

    retrying = AsyncRetrying(
        retry=retry_if_exception(_passes),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(min(_PAUSE, seconds)),
        reraise=True,
    )
    try:
        return await retrying(ask)
    except ProviderError as error:
        message = f"{error.message} {hint}" if error.retryable else error.message
        raise ProviderError(message, kind=error.kind, retryable=error.retryable) from error


def _passes(error: BaseException) -> bool:
    return isinstance(error, ProviderError) and error.retryable


async def check_servers(
    settings: ServerSettings,
    servers: Sequence[Server],
    check: Callable[[Server], Awaitable[None]],
    warn: Callable[[ProviderError | ConfigError | str], None],
) -> None:
    """Check all servers. Raise the first problem if every server has one and one is required; else warn of each.

    A check raises ProviderError or ConfigError. A server with a problem is avoided for a moment. Warns also of
    addresses that end with one of the API's routes.
    """
    for sentence in settings.surplus_routes():
        warn(sentence)
    results = await asyncio.gather(*(check(server) for server in servers), return_exceptions=True)
    problems: list[ProviderError | ConfigError] = []
    for server, result in zip(servers, results, strict=True):
        if isinstance(result, ProviderError | ConfigError):
            server.failed(ProviderError(str(result), kind="unavailable"))
            problems.append(result)
        elif isinstance(result, BaseException):
            raise result
    if problems and len(problems) == len(servers) and settings.require_server:
        raise problems[0]
    for problem in problems:
        warn(problem)
