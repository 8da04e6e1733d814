"""From lines of the chat log to documents of Elasticsearch: pure translation."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from orbit.chatlog import Naming

VERSION = 2
"""Of the index template; raise it with every change, so that templates say which one they are."""


class Entry(NamedTuple):
    """A line of the chat log and where it stands."""

    line: bytes
    file: str
    end: int


class Document(NamedTuple):
    """A line as Elasticsearch takes it; ``target`` is an index or a data stream.

    ``id`` depends on the line alone, so that sending it twice stores it once.
    """

    id: str
    target: str
    source: bytes
    entry: Entry


class NotARecord(ValueError):
    """The line is not a record of a chat: torn by a killed process, or not ours."""


class _Stamp(msgspec.Struct):
    timestamp: datetime


_stamps = msgspec.json.Decoder(_Stamp)


def timestamp_of(line: bytes) -> datetime:
    """The ``timestamp`` of a line, in UTC. Raises NotARecord."""
    try:
        return _stamps.decode(line).timestamp.astimezone(UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise NotARecord(str(error)) from None


def to_document(entry: Entry, naming: Naming, name: str, host: str, *, daily: bool) -> Document:
    """Make a line a document of the data stream ``name``, or of the daily index of the record's own day (in UTC).

    The line stays as it is; added are ``@timestamp``, ``host.name``, where in the log it stands (``log.file.path``,
    ``log.offset``), and ``log.position``, by which the records of a host sort in the order in which they were written.
    Raises NotARecord.
    """
    timestamp = timestamp_of(entry.line)
    target = f"{name}-{timestamp:%Y.%m.%d}" if daily else name
    offset = entry.end - len(entry.line) - 1
    added = {
        "@timestamp": timestamp,
        "host": {"name": host},
        "log": {"file": {"path": entry.file}, "offset": offset, "position": _position(naming, entry.file, offset)},
    }
    source = msgspec.json.encode(added)[:-1] + b"," + entry.line.lstrip()[1:]
    return Document(hashlib.blake2b(entry.line, digest_size=16).hexdigest(), target, source, entry)


def _position(naming: Naming, file: str, offset: int) -> str:
    """Where in the log something stands, so that it sorts as text: names of files do not."""
    parsed = naming.parse(Path(file))
    return f"{parsed.day}.{parsed.number:06}.{offset:012}" if parsed else f"{file}.{offset:012}"


def operations(documents: list[Document]) -> list[bytes]:
    """The lines of a ``_bulk`` body. ``create`` refuses what is there already, so nothing is stored twice."""
    lines = []
    for document in documents:
        lines.append(msgspec.json.encode({"create": {"_index": document.target, "_id": document.id}}))
        lines.append(document.source)
    return lines


def template_name(name: str) -> str:
    """The index template of ``name``."""
    return f"{name}-template"


def index_template(name: str, *, daily: bool, retention_days: int) -> dict[str, Any]:
    """The body of the index template: mappings, and how long records stay."""
    template: dict[str, Any] = {"mappings": _MAPPINGS}
    body: dict[str, Any] = {
        "priority": 200,  # above the templates that Elasticsearch brings for logs-*-*
        "version": VERSION,
        "_meta": {"description": "Chats of ORBIT", "managed_by": "orbit-es"},
        "template": template,
    }
    if daily:
        body["index_patterns"] = [f"{name}-*.*.*"]
        if retention_days:
            template["settings"] = {"index.lifecycle.name": policy_name(name)}
    else:
        body["index_patterns"] = [name]
        body["data_stream"] = {}
        template["lifecycle"] = {"data_retention": f"{retention_days}d"} if retention_days else {}
    return body


def policy_name(name: str) -> str:
    """The lifecycle policy of the daily indices."""
    return f"{name}-retention"


def lifecycle_policy(retention_days: int) -> dict[str, Any]:
    """A policy that deletes an index once the last of its records is ``retention_days`` old."""
    return {
        "phases": {"hot": {"actions": {}}, "delete": {"min_age": f"{retention_days + 1}d", "actions": {"delete": {}}}}
    }


_KEYWORDS = (
    "request_id",
    "session_id",
    "status",
    "backend",
    "model",
    "key_id",
    "key_hint",
    "client_name",
    "collection",
    "prompt_id",
    "prompt_version",
    "elasticsearch_status",
)
_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_MAPPINGS: dict[str, Any] = {
    "dynamic": False,  # fields of later versions are kept and not indexed, rather than refused
    "properties": {
        "@timestamp": {"type": "date"},
        "timestamp": {"type": "date"},
        "host": {"properties": {"name": _KEYWORD}},
        "log": {
            "properties": {"file": {"properties": {"path": _KEYWORD}}, "offset": {"type": "long"}, "position": _KEYWORD}
        },
        "query": {"type": "text"},
        "response": {"type": "text"},
        "reason": {"type": "text"},
        "blocked": {"type": "boolean"},
        "client_ip": {"type": "ip", "ignore_malformed": True},  # empty for a client on a Unix socket
        "durations": {"type": "object", "dynamic": True},
        "prompt_tokens": {"type": "integer"},
        "completion_tokens": {"type": "integer"},
        "sources": {"properties": {"id": _KEYWORD, "source": _KEYWORD, "score": {"type": "float"}}},
        **dict.fromkeys(_KEYWORDS, _KEYWORD),
    },
}
