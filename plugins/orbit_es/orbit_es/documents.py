"""Converts lines of the chat log to documents of Elasticsearch. Pure functions."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from orbit.chatlog import Naming

VERSION = 3
"""Version of the index template. Increase it with every change, so that installed templates show theirs."""


class Entry(NamedTuple):
    """A line of the chat log and its position."""

    line: bytes
    file: str
    end: int


class Document(NamedTuple):
    """A line as a document of Elasticsearch; ``target`` is an index or a data stream.

    ``id`` depends on the line alone, so sending it twice stores it once.
    """

    id: str
    target: str
    source: bytes
    entry: Entry


class NotARecord(ValueError):
    """The line is not a chat record: a killed process tore it, or another program wrote it."""


class _Stamp(msgspec.Struct):
    timestamp: datetime


_stamps = msgspec.json.Decoder(_Stamp)


def timestamp_of(line: bytes) -> datetime:
    """Return the ``timestamp`` of a line, in UTC. Raises NotARecord."""
    try:
        return _stamps.decode(line).timestamp.astimezone(UTC)
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise NotARecord(str(error)) from None


def to_document(entry: Entry, naming: Naming, name: str, host: str, *, daily: bool) -> Document:
    """Convert a line to a document of the data stream ``name``, or of the daily index of its day (in UTC).

    The line stays unchanged. Added are ``@timestamp``, ``host.name``, its position in the log (``log.file.path``,
    ``log.offset``), and ``log.position``, which sorts the records of a host in the order in which they were written.
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
    """Return a position in the log that sorts as text; file names do not."""
    parsed = naming.parse(Path(file))
    return f"{parsed.day}.{parsed.number:06}.{offset:012}" if parsed else f"{file}.{offset:012}"


def operations(documents: list[Document]) -> list[bytes]:
    """Return the lines of a ``_bulk`` body. ``create`` rejects existing documents, so nothing is stored twice."""
    lines = []
    for document in documents:
        lines.append(msgspec.json.encode({"create": {"_index": document.target, "_id": document.id}}))
        lines.append(document.source)
    return lines


def template_name(name: str) -> str:
    """Return the name of the index template of ``name``."""
    return f"{name}-template"


def index_template(name: str, *, daily: bool, retention_days: int) -> dict[str, Any]:
    """Return the body of the index template: mappings and retention."""
    template: dict[str, Any] = {"mappings": _MAPPINGS}
    body: dict[str, Any] = {
        "priority": 200,  # above Elasticsearch's own templates for logs-*-*
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
    """Return the name of the lifecycle policy of the daily indices."""
    return f"{name}-retention"


def lifecycle_policy(retention_days: int) -> dict[str, Any]:
    """Return a policy that deletes an index once its last record is ``retention_days`` old."""
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
    "task",
    "elasticsearch_status",
)
_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_CALL = {"id": _KEYWORD, "name": _KEYWORD, "arguments": {"type": "text"}, "result": {"type": "text"}}
_MAPPINGS: dict[str, Any] = {
    "dynamic": False,  # keep fields of later versions without indexing them, rather than reject them
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
        "tries": {"type": "integer"},
        "tool_calls": {"properties": _CALL},
        "tool_uses": {"properties": _CALL | {"provider": _KEYWORD, "status": _KEYWORD, "seconds": {"type": "float"}}},
        "sources": {"properties": {"id": _KEYWORD, "source": _KEYWORD, "score": {"type": "float"}}},
        **dict.fromkeys(_KEYWORDS, _KEYWORD),
    },
}
