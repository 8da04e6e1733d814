"""Delivers lines of the chat log to Elasticsearch or the dead letters, and only then continues with the next ones."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from orbit.chatlog import DeadLetter, Naming
from orbit_es.backoff import Backoff
from orbit_es.documents import Document, Entry, NotARecord, to_document
from orbit_es.progress import Progress
from orbit_es.sender import Sender, Unavailable
from orbit_es.settings import ElasticsearchSettings

REACH_EVERY = 10.0


class Delivery:
    """Retries with one ``Sender`` until each line has an outcome."""

    def __init__(
        self, settings: ElasticsearchSettings, naming: Naming, sender: Sender, backoff: Backoff, progress: Progress
    ) -> None:
        self.unsure = True
        """Whether the next records may have been sent before."""
        self._settings = settings
        self._naming = naming
        self._sender = sender
        self._backoff = backoff
        self._progress = progress
        self._host = socket.gethostname()
        self._prepared = False
        self._reached_at = 0.0

    async def keep_contact(self) -> None:
        """Prepare the server once, and check now and then whether it is up. Return when it is."""
        while True:
            try:
                if not self._prepared:
                    await self._backoff.answer(self._sender.prepare())
                    self._prepared = True
                elif time.monotonic() - self._reached_at >= REACH_EVERY:
                    await self._backoff.answer(self._sender.reach())
                else:
                    return
            except Unavailable as error:
                await self._backoff.failed(str(error))
            else:
                self._reached()

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Send the next entries of the log and store rejected ones. Save the progress only after that."""
        letters = await self._send(entries)
        while problem := self._keep(letters):
            letters = []
            await self._backoff.failed(problem)
        self._reached()
        self._progress.spool.advance(entries)
        self._progress.save()

    async def deliver_again(self, entries: Sequence[Entry]) -> list[DeadLetter]:
        """Send previously rejected entries. Return those that are rejected again."""
        letters = await self._send(entries)
        self._reached()
        return letters

    def _reached(self) -> None:
        self._reached_at = time.monotonic()
        self._backoff.succeeded()

    def _keep(self, letters: Sequence[DeadLetter]) -> str:
        """Store rejected entries. Return why this fails; the next call then stores them as well."""
        try:
            self._progress.refusals.keep(letters)
        except OSError as error:
            return f"rejected records cannot be stored in {self._progress.folder.path}: {error.strerror}"
        return ""

    async def _send(self, entries: Sequence[Entry]) -> list[DeadLetter]:
        """Send entries until Elasticsearch has stored or permanently rejected each. Return the rejected ones."""
        documents, letters = self._translate(entries)
        counts = dict.fromkeys(("stored", "duplicate", "rejected"), 0)
        counts["rejected"] = len(letters)
        while documents:
            try:
                outcomes = await self._backoff.answer(self._sender.send(documents, unsure=self.unsure))
            except Unavailable as error:
                self.unsure = True  # the server may have executed the request nevertheless
                await self._backoff.failed(str(error), passing=error.passing)
                continue
            again: list[Document] = []
            reason = ""
            for document, outcome in zip(documents, outcomes, strict=True):
                if outcome.meaning == "retry":
                    again.append(document)
                    reason = f"HTTP {outcome.status} for single records: {outcome.reason}"
                    continue
                counts[outcome.meaning] += 1
                if outcome.meaning == "rejected":
                    letters.append(DeadLetter.of(*document.entry, outcome.reason, outcome.status, document.id))
            documents = again
            if again:
                await self._backoff.failed(reason, passing=True)
        self._progress.count(counts)
        return letters

    def _translate(self, entries: Sequence[Entry]) -> tuple[list[Document], list[DeadLetter]]:
        name, daily = self._settings.index, self._settings.storage == "daily"
        documents: list[Document] = []
        letters: list[DeadLetter] = []
        for entry in entries:
            if not entry.line.strip():
                continue
            try:
                documents.append(to_document(entry, self._naming, name, self._host, daily=daily))
            except NotARecord as error:
                letters.append(DeadLetter.of(*entry, f"not a record of a chat: {error}"))
        return documents, letters
