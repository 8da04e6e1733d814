"""Imports what takes long."""

import numpy  # noqa: ICN001  # the fault
from wrong_kit import Right

import orbit


class Heavy(Right):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        numpy.array([record.timestamp])
