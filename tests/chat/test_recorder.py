import asyncio
import logging
import time

import pytest

import orbit
from orbit.chat.recorder import Recorder

CONTEXT = orbit.CallContext(request_id="r")


@pytest.fixture
def failures():
    return []


def record(number):
    return orbit.ChatRecord(timestamp=time.time(), request_id=f"r{number}", query="?")


class Sink:
    def __init__(self, *, seconds=0.0, fails=()):
        self.taken = []
        self._seconds = seconds
        self._fails = fails

    async def __call__(self, record, context):
        await asyncio.sleep(self._seconds)
        if record.request_id in self._fails:
            raise RuntimeError("no")
        self.taken.append(record.request_id)


async def test_every_sink_gets_every_record_in_order(failures):
    one, two = Sink(), Sink(seconds=0.001)
    async with Recorder({"one": one, "two": two}, 5, failures.append) as recorder:
        for number in range(50):
            recorder.record(record(number), CONTEXT)
            await asyncio.sleep(0)
    assert one.taken == two.taken == [f"r{number}" for number in range(50)]
    assert recorder.lost == 0


async def test_a_record_is_delivered_without_others_following(failures):
    sink = Sink()
    async with Recorder({"sink": sink}, 5, failures.append) as recorder:
        recorder.record(record(0), CONTEXT)
        await asyncio.sleep(0.2)
        assert sink.taken == ["r0"]


async def test_a_failing_sink_loses_the_record_it_failed_on_and_nothing_else(failures, caplog):
    good, bad = Sink(), Sink(fails={"r1"})
    async with Recorder({"good": good, "bad": bad}, 5, failures.append) as recorder:
        for number in range(3):
            recorder.record(record(number), CONTEXT)
    assert good.taken == ["r0", "r1", "r2"]
    assert bad.taken == ["r0", "r2"]
    assert "bad could not log" in caplog.text
    assert [(error.provider, error.operation) for error in failures] == [("bad", "log")]


async def test_a_hanging_sink_is_given_up_and_delays_nobody(failures, caplog):
    good, stuck = Sink(), Sink(seconds=60)
    started = time.monotonic()
    async with Recorder({"good": good, "stuck": stuck}, 0.1, failures.append) as recorder:
        recorder.record(record(0), CONTEXT)
        await asyncio.sleep(0.3)
        assert good.taken == ["r0"]
        assert "no answer within 0.1 s" in caplog.text
        for number in range(1, 5):
            recorder.record(record(number), CONTEXT)
    assert time.monotonic() - started < 5
    assert good.taken == [f"r{number}" for number in range(5)]
    assert recorder.lost >= 1


async def test_many_records_of_a_slow_sink_have_a_deadline_each(failures):
    sink = Sink(seconds=0.05)
    async with Recorder({"sink": sink}, 0.3, failures.append) as recorder:
        for number in range(20):
            recorder.record(record(number), CONTEXT)
        end = time.monotonic() + 20
        while len(sink.taken) < 20:
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
    assert recorder.lost == 0


async def test_beyond_the_capacity_records_are_counted_as_lost(failures, caplog, monkeypatch):
    monkeypatch.setattr("orbit.chat.recorder._CAPACITY", 3)
    caplog.set_level(logging.ERROR)
    sink = Sink()
    async with Recorder({"sink": sink}, 5, failures.append) as recorder:
        for number in range(5):
            recorder.record(record(number), CONTEXT)
    assert sink.taken == ["r0", "r1", "r2"]
    assert recorder.lost == 2
    assert "too far behind" in caplog.text


class Moody:
    """A sink whose records each go their own way."""

    def __init__(self, *ways):
        self._ways = list(ways)
        self.contexts = []
        self.ended = 0

    async def __call__(self, record, context):
        self.contexts.append(context)
        way = self._ways.pop(0) if self._ways else 0
        if isinstance(way, Exception):
            raise way
        try:
            await asyncio.sleep(way)
        finally:
            await asyncio.sleep(0)
            self.ended += 1


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a sink has no event
            await asyncio.sleep(0.005)


async def test_a_sink_gets_the_context_of_the_turn(failures):
    sink = Moody()
    async with Recorder({"sink": sink}, 5, failures.append) as recorder:
        recorder.record(record(0), CONTEXT)
    assert sink.contexts == [CONTEXT]


async def test_records_keep_coming_after_a_pause(failures):
    sink = Sink()
    async with Recorder({"sink": sink}, 5, failures.append) as recorder:
        for number in range(3):
            recorder.record(record(number), CONTEXT)
            await until(lambda number=number: len(sink.taken) == number + 1)
            await asyncio.sleep(0.01)


async def test_the_first_record_and_the_last_do_not_wait_for_others(failures, monkeypatch):
    monkeypatch.setattr("orbit.chat.recorder._GATHER_SECONDS", 60)
    sink = Sink()
    async with Recorder({"sink": sink}, 1, failures.append) as recorder:
        recorder.record(record(0), CONTEXT)
        await until(lambda: sink.taken == ["r0"])
        recorder.record(record(1), CONTEXT)
    assert sink.taken == ["r0", "r1"]
    assert recorder.lost == 0


@pytest.mark.parametrize("error", [TimeoutError("of its own"), RuntimeError("no"), orbit.ProviderError("down")])
async def test_any_error_of_a_sink_is_told_with_its_name(failures, caplog, error):
    async with Recorder({"sink": Moody(error)}, 5, failures.append) as recorder:
        recorder.record(record(0), CONTEXT)
    assert [(failure.provider, failure.operation) for failure in failures] == [("sink", "log")]
    assert str(error) in caplog.text
    assert recorder.lost == 0


async def test_a_sink_that_hangs_after_slow_records_is_given_up_too(failures):
    async with Recorder({"sink": Moody(0.1, 0.1, 60)}, 0.4, failures.append) as recorder:
        for number in range(4):
            recorder.record(record(number), CONTEXT)
        await until(lambda: failures)
    assert [(failure.provider, failure.operation) for failure in failures] == [("sink", "log")]
    assert "no answer within 0.4 s" in str(failures[0])


async def test_what_hanging_sinks_did_not_take_is_counted_over_all_and_none_runs_on(failures, caplog):
    sinks = {"one": Moody(60, 60), "two": Moody(60, 60)}
    async with Recorder(sinks, 0.2, failures.append) as recorder:
        await asyncio.sleep(0)
        for number in range(3):
            recorder.record(record(number), CONTEXT)
    told = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.ERROR]
    assert [sink.ended for sink in sinks.values()] == [len(sink.contexts) for sink in sinks.values()]
    assert recorder.lost + len(failures) == 6
    assert len(told) == 2
    for name, sentence in zip(sinks, told, strict=True):
        assert sentence.startswith(f"{name} did not take the last ")


async def test_a_lost_record_is_told_with_its_request(failures, caplog, monkeypatch):
    monkeypatch.setattr("orbit.chat.recorder._CAPACITY", 0)
    async with Recorder({"sink": Sink()}, 5, failures.append) as recorder:
        recorder.record(record(7), CONTEXT)
    assert "sink is too far behind; the record of request r7 is lost" in [each.getMessage() for each in caplog.records]
