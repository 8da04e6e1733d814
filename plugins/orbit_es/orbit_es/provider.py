"""The Elasticsearch log as a provider."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orbit
from orbit.chatlog import FollowerState, has_writers
from orbit.upstreams import (
    Address,
    address_problem,
    credential_problem,
    header_problems,
    shown,
    tls_problems,
    user_alone,
    without_effect,
)
from orbit_es.credentials import credentials, login
from orbit_es.settings import ElasticsearchSettings

if TYPE_CHECKING:
    from orbit_es.follower import Follower

FIRST_CONTACT = 2.0
"""Longest delay of the server's start, in seconds, so that the first records already contain the status."""
STOP_PATIENCE = 3.0
FORBIDDEN_IN_INDEX = frozenset('\\/*?"<>| ,#:')


class ElasticsearchLog(orbit.Provider):
    """Sends every chat turn from the log files to Elasticsearch.

    It does not implement the hook ``log``: it reads from the files, so that nothing is lost while Elasticsearch or this
    process is down.
    """

    Settings = ElasticsearchSettings
    settings: ElasticsearchSettings
    _follower: Follower | None = None

    async def ready(self) -> None:
        """Start to follow the chat log, which is open by now."""
        from orbit_es.follower import Follower  # noqa: PLC0415  the client takes half a second; commands need it not

        log = self._chat_log()
        if not has_writers(log.parent) and _writable(log.parent):
            raise orbit.ConfigError(
                f"there is no chat log in {log.parent}, and '{self.name}' sends what the chat log contains. Remove "
                "its setting directory, and leave logging.file.enabled on."
            )
        _quieten()
        self._follower = Follower(self.settings, log, self.name, lambda: self.host.environment)
        self._follower.start()
        await _until(self._follower.settled.is_set, FIRST_CONTACT)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop(STOP_PATIENCE)
            await _until(lambda: not follower.is_alive(), STOP_PATIENCE + 1)

    async def health(self) -> orbit.Health:
        """Return degraded while Elasticsearch accepts nothing: records wait in the files."""
        follower = self._follower
        state = follower.state() if follower is not None else None
        if state is None:
            return orbit.Health("degraded", (follower and follower.problem) or "not following the chat log yet")
        if state.status != "enabled":
            return orbit.Health("degraded", f"unavailable: {state.detail} ({_figures(state)})")
        return orbit.Health("ok", _figures(state))

    def metrics(self) -> Mapping[str, float]:
        """Return metrics: the lag behind the log, and the outcomes of records."""
        state = self._follower.state() if self._follower is not None else None
        if state is None:
            return {"up": 0.0}
        return {
            "up": float(state.status == "enabled"),
            "lag_records": state.lag_records,
            "lag_seconds": round(state.lag_seconds, 3),
            "sent_total": state.sent,
            "duplicates_total": state.duplicates,
            "rejected_total": state.rejected,
            "dead_letters": state.dead_letters,
            "lost_bytes_total": state.lost_bytes,
        }

    def _chat_log(self) -> Path:
        """Return the chat log's folder and file name: from these settings, else the host's."""
        directory, filename = self.settings.directory, self.settings.filename
        if directory and filename:
            return Path(directory).expanduser().absolute() / filename
        written = self.host.chat_log
        if written is None:
            raise orbit.ConfigError(
                f"there is no chat log, and '{self.name}' sends what the chat log contains. Leave "
                "logging.file.enabled on."
            )
        folder = Path(directory).expanduser().absolute() if directory else written.parent
        return folder / (filename or written.name)

    def remarks(self) -> Iterable[str]:
        """Yield settings that do nothing, and a folder in which nobody writes a chat log now."""
        settings = self.settings
        yield from user_alone(settings.hosts, "node")
        if settings.nodes:
            yield from without_effect(settings, ("node",), "nodes takes its place")
        if not any(address.url.startswith("https:") for address in settings.addresses):
            yield from without_effect(settings, ("ca_certs", "verify_certs"), "no node begins with https")
        if not settings.manage_template:
            yield from without_effect(settings, ("retention_days",), "manage_template is false")
        own, given = self.host.chat_log, self.settings.directory
        folder = Path(given).expanduser().absolute()
        if given and (own is None or own.parent != folder) and not has_writers(folder):
            yield f"directory: {folder} has no running writer of a chat log; start that server first."

    def validate(self) -> Iterable[str]:
        """Yield invalid addresses and names, incomplete credentials and missing files."""
        for host in self.settings.hosts:
            url = Address.parse(host).url
            if address_problem(host):
                yield f"node: '{shown(host)}' is not an address; write it as https://es.example.com:9200"
            elif urlsplit(url).port is None:
                yield f"node: '{url}' has no port; write it as {url}:9200"
        addresses = [Address.parse(host) for host in self.settings.hosts]
        others = {"api_key": self.settings.api_key, "username": self.settings.username}
        if problem := credential_problem(addresses, others, "node"):
            yield f"node: {problem}"
        name = self.settings.index
        if name != name.lower() or set(name) & FORBIDDEN_IN_INDEX or name[0] in "-_+":
            yield f"index: '{name}' cannot be a name in Elasticsearch; use lower-case letters, digits and '-'"
        yield from tls_problems(self.settings.ca_certs, verify_certs=self.settings.verify_certs)
        if self.settings.username and self.settings.api_key:
            yield "api_key: set either an API key or a username, not both"
        elif not credentials(self.settings, self.host.environment):
            username, password = login(self.settings, self.host.environment)
            if username or password:
                missing, given = ("password", "username") if username else ("username", "password")
                yield f"{missing} is missing: set it or ELASTICSEARCH_{missing.upper()}, or leave out {given}"
        if not (self.settings.directory and self.settings.filename) and self.host.chat_log is None:
            yield "there is no chat log to send; leave logging.file.enabled on"
        yield from header_problems({}, api_key=self.settings.api_key)


def _figures(state: FollowerState) -> str:
    text = f"{state.lag_records} records waiting, {state.lag_seconds:.0f} s behind, {state.sent} sent"
    if state.dead_letters:
        text += f", {state.dead_letters} rejected permanently: see orbit logs dead-letters"
    if state.lost_bytes:
        text += f", {state.lost_bytes} bytes deleted before they were sent"
    return text


async def _until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:  # noqa: ASYNC110  a thread cannot set an event of this loop
        await asyncio.sleep(0.01)


def _writable(directory: Path) -> bool:
    """Return whether a chat log could be written here. If not, the file log reports it itself."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory.is_dir() and os.access(directory, os.W_OK)


def _quieten() -> None:
    """Silence the client's messages about each request; the follower reports what operators must know, once."""
    for name in ("elastic_transport", "elasticsearch"):
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.ERROR)
