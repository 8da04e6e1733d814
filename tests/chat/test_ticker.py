"""One timer looks at everything that has a deadline."""

import asyncio

from orbit.chat.ticker import Ticker


class Seen:
    def __init__(self) -> None:
        self.looks: list[float] = []
        self.looked = asyncio.Event()

    def look(self, now: float) -> None:
        self.looks.append(now)
        self.looked.set()


async def test_everything_added_is_looked_at_until_it_is_discarded() -> None:
    ticker, one, other = Ticker(), Seen(), Seen()
    started = asyncio.get_running_loop().time()
    ticker.add(one)
    ticker.add(other)
    for _ in range(2):
        one.looked.clear()
        await asyncio.wait_for(one.looked.wait(), 20)
    assert len(one.looks) == len(other.looks) == 2
    assert started < one.looks[0] < one.looks[1]
    ticker.discard(other)
    ticker.discard(other)
    one.looked.clear()
    await asyncio.wait_for(one.looked.wait(), 20)
    assert (len(one.looks), len(other.looks)) == (3, 2)


async def test_without_anything_to_look_at_the_timer_stops_and_starts_again() -> None:
    ticker, seen = Ticker(), Seen()
    ticker.add(seen)
    ticker.discard(seen)
    await asyncio.sleep(0.12)
    assert (seen.looks, ticker._loop) == ([], None)
    ticker.add(seen)
    await asyncio.wait_for(seen.looked.wait(), 20)


async def test_what_is_discarded_while_it_is_looked_at_is_no_error() -> None:
    ticker = Ticker()

    class Once(Seen):
        def look(self, now: float) -> None:
            super().look(now)
            ticker.discard(self)

    once = Once()
    ticker.add(once)
    ticker.add(Once())
    await asyncio.wait_for(once.looked.wait(), 20)
    await asyncio.sleep(0.12)
    assert len(once.looks) == 1


async def test_a_look_that_fails_ends_no_other_deadline() -> None:
    class Broken(Seen):
        def look(self, now: float) -> None:
            super().look(now)
            raise RuntimeError("broken")

    failed: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(str(context["exception"])))
    ticker, broken, seen = Ticker(), Broken(), Seen()
    ticker.add(broken)
    ticker.add(seen)
    for _ in range(2):
        seen.looked.clear()
        await asyncio.wait_for(seen.looked.wait(), 20)
    ticker.discard(broken)
    ticker.discard(seen)
    assert len(broken.looks) == 2
    assert failed == ["broken", "broken"]
