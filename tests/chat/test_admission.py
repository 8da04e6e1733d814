"""Places for turns: none is ever lost, the first of a key comes first, and no key starves another."""

import asyncio
import random
from collections import Counter

import pytest

from orbit.chat.admission import Admission
from orbit.errors import Overloaded


async def steps(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def hold(admission: Admission, key: str, number: int, entered: list[tuple[str, int]], pauses: int = 1) -> None:
    async with admission.place(key):
        entered.append((key, number))
        await steps(pauses)


async def free_places(admission: Admission) -> int:
    """How many turns get in at once; the queue must be of size 0 or full for the count to end."""
    held = 0
    try:
        while True:
            async with asyncio.timeout(0.01):
                await admission.enter("count")
            held += 1
    except (Overloaded, TimeoutError):
        return held
    finally:
        for _ in range(held):
            admission.leave("count")


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_happens_no_place_is_lost_and_the_first_of_a_key_comes_first(seed: int) -> None:
    chance = random.Random(seed)
    places = chance.randint(1, 4)
    admission = Admission(places, chance.randint(0, 12), chance.choice([0.001, 60.0]))
    entered: list[tuple[str, int]] = []
    tasks: list[asyncio.Task[None]] = []
    for number in range(200):
        key = chance.choice("aaaabbc")
        tasks.append(asyncio.create_task(hold(admission, key, number, entered, chance.randint(1, 6))))
        for _ in range(chance.randint(0, 2)):
            await asyncio.sleep(chance.choice([0, 0, 0, 0.002]))
            assert admission.running <= places
        if chance.random() < 0.4:
            chance.choice(tasks).cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError, Overloaded}
    for key in "abc" if places == 1 else "":  # with more, two may get places at once and wake up in either order
        mine = [number for name, number in entered if name == key]
        assert mine == sorted(mine)
    assert (admission.running, admission.waiting) == (0, 0)
    assert await free_places(admission) == places


@pytest.mark.parametrize("leaves_first", [True, False])
async def test_a_place_granted_to_one_who_leaves_goes_to_the_next(*, leaves_first: bool) -> None:
    admission = Admission(1, 10, 60.0)
    entered: list[tuple[str, int]] = []
    await admission.enter("a")
    leaver = asyncio.create_task(hold(admission, "a", 1, entered))
    next_one = asyncio.create_task(hold(admission, "a", 2, entered))
    await steps()
    if leaves_first:
        leaver.cancel()
        admission.leave("a")
    else:
        admission.leave("a")  # the place is the leaver's by now
        leaver.cancel()
    await asyncio.gather(leaver, next_one, return_exceptions=True)
    assert entered == [("a", 2)]
    assert (admission.running, await free_places(admission)) == (0, 1)


async def test_places_are_shared_between_keys_that_wait() -> None:
    admission = Admission(4, 100, 60.0)
    entered: list[tuple[str, int]] = []
    crowd = [asyncio.create_task(hold(admission, "crowd", number, entered)) for number in range(60)]
    await steps(1)
    late = [asyncio.create_task(hold(admission, "late", number, entered)) for number in range(40)]
    await asyncio.gather(*crowd, *late)
    first = entered.index(("late", 0))
    shared = Counter(key for key, _ in entered[first : first + 60])
    assert first <= 8
    assert abs(shared["crowd"] - shared["late"]) <= 6  # 20 % of 30


async def test_a_key_with_long_turns_does_not_get_its_share_of_places_twice() -> None:
    admission = Admission(4, 100, 60.0)
    entered: list[tuple[str, int]] = []
    crowd = ["long"] * 3 + ["short"] + ["long"] * 3 + ["short"] * 20
    tasks = [
        asyncio.create_task(hold(admission, key, number, entered, 10_000 if key == "long" else 1))
        for number, key in enumerate(crowd)
    ]
    await steps(200)
    assert Counter(key for key, _ in entered) == {"long": 4, "short": 21}
    assert entered[-1][0] == "long"  # only when no short one waited
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_full_queue_gives_the_other_key_its_share() -> None:
    admission = Admission(1, 10, 60.0)
    entered: list[tuple[str, int]] = []
    await admission.enter("crowd")
    crowd = [asyncio.create_task(hold(admission, "crowd", number, entered)) for number in range(30)]
    await steps(2)
    late = [asyncio.create_task(hold(admission, "late", number, entered)) for number in range(30)]
    await steps(2)
    assert admission.waiting == 10
    admission.check("third")
    with pytest.raises(Overloaded):
        admission.check("crowd")
    admission.leave("crowd")
    outcomes = await asyncio.gather(*crowd, *late, return_exceptions=True)
    assert Counter(key for key, _ in entered) == {"crowd": 5, "late": 5}
    assert [number for key, number in entered if key == "crowd"] == [0, 1, 2, 3, 4]  # its newest gave way
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 50


async def test_without_a_queue_nobody_waits() -> None:
    admission = Admission(1, 0, 60.0)
    async with admission.place("a"):
        with pytest.raises(Overloaded):
            await admission.enter("b")
    assert await free_places(admission) == 1


async def test_one_who_waits_too_long_is_refused_and_leaves_the_queue() -> None:
    admission = Admission(1, 10, 0.05)
    await admission.enter("a")
    with pytest.raises(Overloaded, match=r"no place came free within 0\.05 s; try again in a moment\."):
        await admission.enter("b")
    assert admission.waiting == 0
    admission.leave("a")
    assert await free_places(admission) == 1


async def test_one_who_gives_up_waiting_makes_room_in_the_queue() -> None:
    admission = Admission(1, 1, 60.0)
    await admission.enter("a")
    waits = asyncio.create_task(admission.enter("b"))
    await steps()
    with pytest.raises(Overloaded, match="its queue is full; try again in a moment"):
        admission.check("b")
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    assert admission.waiting == 0
    admission.check("b")


async def test_a_key_that_releases_one_of_several_places_still_holds_the_others() -> None:
    admission = Admission(4, 10, 60.0)
    for key in "aaab":
        await admission.enter(key)
    entered: list[tuple[str, int]] = []
    tasks = [asyncio.create_task(hold(admission, key, 0, entered)) for key in "ab"]
    await steps()
    admission.leave("a")  # two are left to it, and one to the other
    await asyncio.gather(*tasks)
    assert entered == [("b", 0), ("a", 0)]


async def test_a_place_granted_to_one_who_leaves_does_not_count_as_held() -> None:
    admission = Admission(1, 10, 60.0)
    await admission.enter("a")
    entered: list[tuple[str, int]] = []
    leaver = asyncio.create_task(hold(admission, "b", 0, entered))
    others = [asyncio.create_task(hold(admission, key, number, entered)) for number, key in enumerate("cbc")]
    await steps()
    admission.leave("a")  # the place is the leaver's by now
    leaver.cancel()
    await asyncio.gather(leaver, *others, return_exceptions=True)
    assert entered == [("c", 0), ("b", 1), ("c", 2)]


async def test_more_places_admit_those_who_wait_and_fewer_come_with_the_turns_that_end() -> None:
    admission = Admission(1, 10, 60.0)
    await admission.enter("a")
    waiting = [asyncio.create_task(admission.enter(key)) for key in "bc"]
    await steps()
    admission.resize(2, 10, 60.0)
    await steps()
    assert (admission.running, admission.waiting) == (2, 1)
    admission.resize(1, 10, 60.0)
    admission.leave("a")
    await steps()
    assert (admission.running, admission.waiting) == (1, 1)
    admission.leave("b")
    await asyncio.gather(*waiting)
    admission.leave("c")
    assert (admission.running, await free_places(admission)) == (0, 1)


async def test_more_places_come_to_those_that_are_free() -> None:
    admission = Admission(2, 0, 60.0)
    await admission.enter("a")
    admission.resize(4, 0, 60.0)
    assert await free_places(admission) == 3
    admission.leave("a")


async def test_with_one_place_left_nobody_is_refused() -> None:
    admission = Admission(2, 0, 60.0)
    await admission.enter("a")
    admission.check("a")
    await admission.enter("a")
    with pytest.raises(Overloaded, match=r"^the server is busy and its queue is full; try again in a moment"):
        admission.check("a")
    for _ in range(2):
        admission.leave("a")
