"""What every provider on model servers must do, whichever API they speak: reach them, spread load, retry and give up.

A provider's test file subclasses ``UpstreamContract``. The fixtures ``wire``, ``start`` and ``context`` of its folder
say which provider and which stand-in.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import aclosing
from typing import Any

import pytest
from wire_kit import ANYTHING, QUESTION, ask, text, until

from orbit import CallContext, Message, ProviderError

SECRET = "S3cretPw"
SECRETS = (SECRET, "svc", "Qu3rySecret")


def with_user(url: str) -> str:
    """Return an address with a user, a password and a query."""
    return url.replace("://", f"://svc:{SECRET}@") + "?key=Qu3rySecret"


async def failure(start: Any, context: CallContext, url: str, **settings: object) -> tuple[ProviderError, str]:
    """Return the error of a call and the text that arrived before it."""
    provider = await start(base_url=url, **settings)
    arrived = ""
    async with aclosing(provider.generate(QUESTION, ANYTHING, context)) as chunks:
        try:
            async for chunk in chunks:
                arrived += chunk.text
        except ProviderError as error:
            assert provider.pool.servers[0].in_flight == 0
            return error, arrived
    raise AssertionError("it did not fail")


class UpstreamContract:
    """Subclasses set ``fault``, the stand-in's class of faults."""

    fault: Any

    async def test_refused_connection(self, wire, start, context):
        provider = await start(base_url=wire.url, max_retries=1)
        await wire.stop()

        with pytest.raises(ProviderError) as raised:
            await ask(provider, context)

        assert (raised.value.kind, raised.value.retryable) == ("unavailable", True)
        assert raised.value.message == f"{wire.url} cannot be reached: Connection refused."

    async def test_a_name_that_cannot_be_resolved(self, start, context):
        provider = await start(base_url="http://no-such-host.invalid:9", max_retries=0, require_server=False)

        with pytest.raises(ProviderError, match=r"no-such-host.*cannot be reached: \w+") as raised:
            await ask(provider, context)

        assert raised.value.kind == "unavailable"

    async def test_a_passing_failure_is_tried_again(self, wire, start, context):
        wire.faults += [self.fault("status", status=503, error="busy"), self.fault("die")]
        provider = await start(base_url=wire.url, max_retries=2)

        assert text(await ask(provider, context)) == "one two three"
        assert len(wire.asked()) == 3

    async def test_a_server_that_comes_back_is_reached(self, wire, start, context):
        provider = await start(base_url=wire.url, max_retries=5, retry_delay=0.1)
        await wire.stop()
        task = asyncio.create_task(ask(provider, context))
        await asyncio.sleep(0.1)
        await wire.start()

        assert text(await task) == "one two three"

    async def test_a_refused_request_is_not_tried_again(self, wire, start, context):
        wire.faults.append(self.fault("status", status=400, error="invalid option"))

        error, _ = await failure(start, context, wire.url, max_retries=5)

        assert not error.retryable
        assert len(wire.asked()) == 1

    async def test_retries_have_a_budget(self, wire, start, context):
        wire.faults += [self.fault("status", status=503, error="busy")] * 1000
        provider = await start(base_url=wire.url, max_retries=3, retry_delay=0)

        for _ in range(30):
            with pytest.raises(ProviderError):
                await ask(provider, context)

        assert 30 < len(wire.asked()) <= 30 + 10 + 3  # ten at once, and a tenth of the load

    async def test_the_deadline_of_the_request_counts(self, wire, start):
        wire.faults.append(self.fault("hang"))
        provider = await start(base_url=wire.url)

        with pytest.raises(ProviderError) as raised:
            await ask(provider, CallContext("test", deadline=time.monotonic() + 0.1))

        assert raised.value.kind == "timeout"
        await until(lambda: wire.running == 0)

    async def test_load_goes_to_the_least_loaded_server(self, wire, start, context):
        async with type(wire)(delay=0.05) as one, type(wire)(delay=0.05) as two, type(wire)(delay=0.05) as three:
            servers = (one, two, three)
            provider = await start(base_url=[server.url for server in servers])

            await asyncio.gather(*(ask(provider, context) for _ in range(30)))

            assert [len(server.asked()) for server in servers] == [10, 10, 10]

    async def test_a_dying_server_loses_only_what_it_was_answering(self, wire, start, context):
        async with type(wire)(delay=0.02) as dying, type(wire)(delay=0.02) as living:
            for server in (dying, living):
                server.reply = lambda _: "word " * 30
            provider = await start(base_url=[dying.url, living.url])
            first = [asyncio.create_task(ask(provider, context)) for _ in range(10)]
            await until(lambda: dying.running == 5 and living.running == 5)
            await asyncio.sleep(0.1)

            await dying.stop()
            second = await asyncio.gather(*(ask(provider, context) for _ in range(10)))
            results = await asyncio.gather(*first, return_exceptions=True)

            assert all(text(chunks).split() == ["word"] * 30 for chunks in second)
            assert sorted(type(result).__name__ for result in results) == ["ProviderError"] * 5 + ["list"] * 5

    async def test_many_answers_at_the_same_time(self, wire, start, context):
        wire.delay = 0.02
        provider = await start(base_url=wire.url, connect_timeout=60)  # client and server share one busy event loop

        answers = await asyncio.gather(
            *(ask(provider, context, (Message("user", f"number {number} of many"),)) for number in range(150))
        )

        assert [text(chunks) for chunks in answers] == [f"number {number} of many" for number in range(150)]
        assert wire.most_running > 100

    async def test_health_tells_which_server_is_away(self, wire, start):
        async with type(wire)() as one, type(wire)() as two:
            provider = await start(base_url=[one.url, two.url])
            assert (await provider.health()).status == "ok"

            await one.stop()
            health = await provider.health()
            assert health.status == "degraded"
            assert one.url in health.detail
            assert two.url not in health.detail

            await two.stop()
            assert (await provider.health()).status == "down"

            await one.start()
            await two.start()
            assert (await provider.health()).status == "ok"

    async def test_a_server_that_comes_up_late_is_awaited(self, wire, start, context):
        await wire.stop()
        starting = asyncio.ensure_future(start(base_url=wire.url, start_timeout=10))
        await asyncio.sleep(0.1)
        await wire.start()

        assert text(await ask(await starting, context)) == "one two three"

    async def test_an_operator_may_start_without_a_server(self, wire, start, context, caplog):
        await wire.stop()
        provider = await start(base_url=wire.url, require_server=False)
        assert "cannot be reached" in caplog.text
        assert (await provider.health()).status == "down"

        await wire.start()
        assert text(await ask(provider, context)) == "one two three"

    async def test_one_of_two_servers_suffices(self, wire, start, context, caplog):
        other = "http://127.0.0.1:9"
        provider = await start(base_url=[other, wire.url])

        assert other in caplog.text
        for _ in range(4):
            assert text(await ask(provider, context)) == "one two three"

    async def test_starting_twice(self, wire, start, context):
        provider = await start(base_url=wire.url)
        another = type(provider)(provider.name, provider.settings, host=None)
        for _ in range(2):
            async with another:
                assert text(await ask(another, context)) == "one two three"
        with pytest.raises(ProviderError, match="not started"):
            await ask(another, context)

    async def test_no_error_shows_user_password_or_query(self, wire, start, context):
        provider = await start(base_url=with_user(wire.url), max_retries=0)
        faults = [self.fault("status", status=status) for status in (400, 401, 503)]
        for fault in (*faults, self.fault("garbage"), self.fault("die")):
            wire.faults.append(fault)
            with pytest.raises(ProviderError) as raised:
                await ask(provider, context)

            told = "".join(traceback.format_exception(raised.value)) + repr(provider.pool.servers[0].address)
            assert wire.url in told
            assert not any(secret in told for secret in SECRETS)

    async def test_a_connection_that_takes_too_long_shows_no_query(self, wire, start, context):
        provider = await start(base_url=with_user(wire.url), connect_timeout=1e-9, require_server=False, max_retries=0)

        with pytest.raises(ProviderError, match="no connection within") as raised:
            await ask(provider, context)

        told = "".join(traceback.format_exception(raised.value))
        assert not any(secret in told for secret in SECRETS)

    async def test_proxies_of_the_environment_are_not_used(self, wire, start, context, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")

        assert text(await ask(await start(base_url=wire.url), context)) == "one two three"

    async def test_one_address_with_two_users_is_two_servers(self, wire, start, context):
        urls = [wire.url.replace("://", f"://{user}:{SECRET}@") for user in ("one", "two")]
        provider = await start(base_url=urls, max_retries=1)
        wire.faults.append(self.fault("status", status=503))

        assert text(await ask(provider, context)) == "one two three"
        assert len({request.headers["Authorization"] for request in wire.requests}) == 2

    @pytest.mark.parametrize("after", [None, 0, 2])
    async def test_stopping_while_the_server_is_silent_ends_its_work(self, wire, start, context, after):
        wire.faults.append(self.fault("hang", after=after))  # before the status, the first piece, or another one
        provider = await start(base_url=wire.url)
        got = []

        async def client():
            async with aclosing(provider.generate(QUESTION, ANYTHING, context)) as chunks:
                async for chunk in chunks:
                    got.append(chunk.text)  # noqa: PERF401  # the condition below sees them as they come

        task = asyncio.create_task(client())
        await until(lambda: wire.running == 1 and (got or not after))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: wire.running == 0)

        assert wire.cut_off == 1
        assert provider.pool.servers[0].in_flight == 0

    async def test_a_client_that_has_enough_ends_the_work(self, wire, start, context):
        wire.delay, wire.reply = 0.01, lambda _: ["word "] * 10_000
        provider = await start(base_url=wire.url)

        async with aclosing(provider.generate(QUESTION, ANYTHING, context)) as chunks:
            for _ in range(3):
                await anext(chunks)
        await until(lambda: wire.running == 0)

        assert wire.cut_off == 1
        assert provider.pool.servers[0].in_flight == 0

    async def test_connections_are_used_again(self, wire, start, context):
        provider = await start(base_url=wire.url)

        for _ in range(5):
            await ask(provider, context)

        assert wire.connections == 1
