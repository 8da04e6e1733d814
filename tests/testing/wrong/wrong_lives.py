"""Wrong in their lives: how they are imported, start, stop and tell of themselves."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Self

from wrong_kit import Right, Service, Wrong

import orbit


class RightLog(Right):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        self.connect()
        KEPT.append(record.request_id)
        await asyncio.sleep(0)


KEPT: list[str] = []


class OpensInInit(RightLog):
    kept: ClassVar[list[socket.socket]] = []

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.kept.append(socket.socket())


class StartsOnce(RightLog):
    taken: ClassVar[bool] = False

    async def __aenter__(self) -> Self:
        if self.taken:
            raise orbit.ProviderError("the port is taken.")
        StartsOnce.taken = True
        return self


class IsDownLater(RightLog):
    starts: ClassVar[int] = 0

    async def health(self) -> orbit.Health:
        return orbit.Health("ok" if IsDownLater.starts == 1 else "down", "the file is locked")

    async def __aenter__(self) -> Self:
        IsDownLater.starts += 1
        return self


class LeavesTask(RightLog):
    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(asyncio.sleep(3600), name="flusher")
        return self


class LeavesThread(RightLog):
    stop: ClassVar[threading.Event] = threading.Event()

    async def __aenter__(self) -> Self:
        threading.Thread(target=self.stop.wait, args=(5,), name="poller", daemon=True).start()
        return self


class LeavesSocket(RightLog):
    kept: ClassVar[list[socket.socket]] = []

    async def __aenter__(self) -> Self:
        self.kept.append(socket.socket())
        return self


class LeavesConnection(RightLog):
    async def __aenter__(self) -> Self:
        Service.open += 1
        return self


class StopRaises(RightLog):
    async def __aexit__(self, *error: object) -> None:
        raise ZeroDivisionError


class HealthIsText(RightLog):
    async def health(self) -> Any:
        return "fine"


class HealthIsOdd(RightLog):
    async def health(self) -> orbit.Health:
        return orbit.Health("fine")  # type: ignore[arg-type]  # the fault


class HealthIsDown(RightLog):
    async def health(self) -> orbit.Health:
        return orbit.Health("down")


class HealthHopes(RightLog):
    async def health(self) -> orbit.Health:
        return orbit.Health()


class HealthRaises(RightLog):
    async def health(self) -> orbit.Health:
        if not self.settings.up:
            raise ConnectionRefusedError
        return orbit.Health()


class StartRaisesOddly(RightLog):
    async def __aenter__(self) -> Self:
        if not self.settings.up:
            raise KeyError("version")
        return self


class StartLeavesSocket(RightLog):
    kept: ClassVar[list[socket.socket]] = []

    async def __aenter__(self) -> Self:
        if not self.settings.up:
            self.kept.append(socket.socket())
            raise orbit.ProviderError("the service does not answer.")
        return self


class LeaksInHealth(RightLog):
    async def health(self) -> orbit.Health:
        return orbit.Health() if self.settings.up else orbit.Health("down", f"{self.settings.url} does not answer.")


class LeaksInValidate(RightLog):
    def validate(self) -> Iterator[str]:
        if "\n" in self.settings.api_key:
            yield f"api_key: there is a line end in '{self.settings.api_key}'."


class LeaksQueries(RightLog):
    async def health(self) -> orbit.Health:
        url = self.settings.url.rpartition("@")[2]
        return orbit.Health() if self.settings.up else orbit.Health("down", f"{url} does not answer.")


class LeaksInErrors(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        if not self.settings.up:
            raise orbit.ProviderError(f"the service refused the key {self.settings.api_key}.")


class LeaksToClients(RightLog):
    @orbit.hookimpl
    async def log(self, record: orbit.ChatRecord) -> None:
        if not self.settings.up:
            raise orbit.ProviderError("it is away.", client=f"Is {self.settings.url} up?")


class LeaksAtStart(RightLog):
    async def __aenter__(self) -> Self:
        if not self.settings.up:
            raise orbit.ProviderError(f"nobody listens, even with {self.settings.api_key}.")
        return self


class MetricsAreText(RightLog):
    def metrics(self) -> Any:
        return {"hits": "three"}


class ModelIsNone(RightLog):
    def model(self, hook: str) -> Any:
        return None


class ValidatesToText(RightLog):
    def validate(self) -> Any:
        return ""


WRONG = (
    Wrong("test_making_opens_nothing", OpensInInit, "an open socket"),
    Wrong("test_starting_again_works", StartsOnce, "the provider does not start: "),
    Wrong("test_starting_again_works", IsDownLater, "it is down then: the file is locked"),
    Wrong("test_stopping_leaves_nothing", LeavesTask, "the task 'flusher' was left"),
    Wrong("test_stopping_leaves_nothing", LeavesThread, "the thread 'poller' was left"),
    Wrong("test_stopping_leaves_nothing", LeavesSocket, "an open socket was left"),
    Wrong("test_stopping_closes_connections", LeavesConnection, "1 were open"),
    Wrong("test_stopping_succeeds", StopRaises, "did not stop cleanly"),
    Wrong("test_health_is_told", HealthIsText, "it returned a str"),
    Wrong("test_health_is_told", HealthIsOdd, "the status is one of ok, degraded, down"),
    Wrong("test_health_is_told", HealthIsDown, "it is down"),
    Wrong("test_health_while_down", HealthHopes, "ask the service"),
    Wrong("test_health_while_down", HealthRaises, "the call raised ConnectionRefusedError"),
    Wrong("test_starting_while_down", StartRaisesOddly, "__aenter__ raised KeyError: 'version'"),
    Wrong("test_starting_while_down", StartLeavesSocket, "an open socket was left"),
    Wrong("test_secrets_are_kept", LeaksInHealth, "the detail of health has one (http://user:"),
    Wrong("test_secrets_are_kept", LeaksInValidate, "a sentence of validate has one (leaksinvalidate: api_key"),
    Wrong("test_secrets_are_kept", LeaksQueries, "the detail of health has one (http://service.example.com?code="),
    Wrong("test_secrets_are_kept", LeaksInErrors, "an error of log has one (the service refused the key"),
    Wrong("test_secrets_are_kept", LeaksToClients, "an error of log has one (Is http://user:"),
    Wrong("test_secrets_are_kept", LeaksAtStart, "the error at the start has one"),
    Wrong("test_metrics_are_numbers", MetricsAreText, "it returned {'hits': 'three'}"),
    Wrong("test_words_are_text", ModelIsNone, "model gave None"),
    Wrong("test_words_are_text", ValidatesToText, "validate gave None"),
)
