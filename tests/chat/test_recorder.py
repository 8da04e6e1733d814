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
