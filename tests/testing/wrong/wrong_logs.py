"""Wrong in `log`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from wrong_kit import Wrong, swallow
from wrong_lives import KEPT, RightLog

import orbit


class Hidden(RightLog):
    def offers(self, hook: str) -> bool:
        return False


class Returns(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> Any:
        return record


class Forgets(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        if not record.request_id.endswith("1"):
            KEPT.append(record.request_id)


class Repeats(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        KEPT.extend([record.request_id] * 2)


class Choosy(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        assert record.status == "ok"


class Alone(RightLog):
    busy = False

    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        if self.busy:
            raise RuntimeError("one at a time")
        self.busy = True
        await asyncio.sleep(0)
        self.busy = False


class Stubborn(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        await swallow()


class SharesRecord(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        self.record = record
        await asyncio.sleep(0)
        KEPT.append(self.record.request_id)


class Hasty(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord, context: orbit.CallContext) -> None:
        if context.deadline is not None and context.deadline < time.monotonic():
            raise ValueError("timeout must be positive")


class Blocks(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault


class Detaches(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        self.task = asyncio.create_task(asyncio.sleep(2), name="sender")


class Breaks(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        if not self.settings.up:
            raise ConnectionRefusedError


WRONG = (
    Wrong("test_log_is_offered", Hidden, "the host does not see it"),
    Wrong("test_log_returns_nothing", Returns, "it returned a ChatRecord"),
    Wrong("test_log_keeps_every_record", Forgets, "are kept of"),
    Wrong("test_log_keeps_every_record", Repeats, "are kept of"),
    Wrong("test_log_takes_any_record", Choosy, "the call raised AssertionError"),
    Wrong("test_log_side_by_side", SharesRecord, "keep the record of a call in a variable, not in self"),
    Wrong("test_log_side_by_side", Alone, "at the same time raised RuntimeError: one at a time"),
    Wrong("test_log_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_log_keeps_deadlines", Hasty, "the call raised ValueError: timeout must be positive"),
    Wrong("test_log_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_log_leaves_nothing_running", Detaches, "the task 'sender' still ran"),
    Wrong("test_log_while_down", Breaks, "the call raised ConnectionRefusedError"),
)
