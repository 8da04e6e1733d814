"""What ORBIT adds to answers in the forms of other protocols: its metadata, and sources as citations."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import msgspec

from orbit.chat.outcome import Ending, Refused
from orbit.types import Source
from orbit.web.wires.used_tools import UsedTool, used_tools

_WEB: Final = ("http://", "https://")


class AnswerExtra(msgspec.Struct, frozen=True):
    """ORBIT's metadata; clients of other protocols ignore it."""

    request_id: str
    sources: tuple[Source, ...]
    blocked: bool
    dropped_documents: int
    dropped_turns: int
    without_documents: bool
    provider: str
    model: str
    tries: int
    ignored: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Unknown parameters of the request; absent if there are none."""
    tools: tuple[UsedTool, ...] | msgspec.UnsetType = msgspec.UNSET
    """The tools that the server called for the answer; absent if there are none."""


def extra_of(ending: Ending, request_id: str, ignored: tuple[str, ...]) -> AnswerExtra:
    """Return the metadata of an answer."""
    return AnswerExtra(
        request_id,
        ending.sources,
        isinstance(ending, Refused),
        ending.dropped_documents,
        ending.dropped_turns,
        ending.without_documents,
        ending.provider,
        ending.model,
        ending.tries,
        ignored or msgspec.UNSET,
        used_tools(ending),
    )


def is_web(link: str) -> bool:
    """Return whether people can open a link in a browser."""
    return link.startswith(_WEB)


def linked(sources: tuple[Source, ...]) -> list[Source]:
    """Return the first source of each address that people can open, in order."""
    return list({source.link: source for source in reversed(sources) if is_web(source.link)}.values())[::-1]


def named(source: Source) -> str:
    """Return the title of a source with the place in it, as people read it beside the answer."""
    place = [f"{key} {value}" for key, value in source.location.items()]
    return ", ".join(filter(None, (source.title or source.source, *place)))


def numbered(sources: tuple[Source, ...]) -> list[tuple[str, str]]:
    """Return address and title of all sources in the order of their numbers, each title once.

    A source that people cannot open has a URN as its address, so that it has its place among the others.
    """
    titles: set[str] = set()
    found: list[tuple[str, str]] = []
    for source in sources:
        title = named(source) or f"Passage {source.number}"
        if title in titles:
            title = f"{title} ({source.number})"
        titles.add(title)
        found.append((source.link if is_web(source.link) else f"urn:orbit:{quote(source.id, safe='')}", title))
    return found
