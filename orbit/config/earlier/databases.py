"""Sections about databases: keys and prompts, the chat log in Elasticsearch, conversations."""

from __future__ import annotations

from typing import Any

from orbit.config.earlier.names import OWN_FILE
from orbit.config.earlier.translation import MISSING, Translation, is_on, optional

_MONGODB_DROPPED = ("sessions_collection", "users_collection")
_CHAT_HISTORY = ("cache", "collection_name", "default_limit", "max_tracked_sessions", "redis", "session",
                 "store_metadata", "user")  # fmt: skip
_UNSET = {"host": "localhost", "port": "27017", "database": "orbit"}
"""What the earlier ORBIT took where a variable of ``mongodb`` was not set."""
_SECONDS_A_DAY = 86_400


def translate_databases(translation: Translation, *, earlier: bool) -> None:
    """Translate what was under ``internal_services``, and the memory of conversations."""
    _mongodb(translation)
    _elasticsearch(translation)
    services = translation.section("internal_services")
    for name in list(services):
        way = OWN_FILE if name in ("backend", "sqlite") else "" if name != "audit" else "the chat log, logging.file"
        if name in ("cache", "memcached", "redis", "sqlite_cache"):
            way = "not needed: the database holds conversations and limits"
        translation.leave_out(f"internal_services.{name}", way)
    translation.take("internal_services")
    if earlier:
        mongodb, elasticsearch = translation.section("mongodb"), translation.section("elasticsearch")
        mongodb.update({key: optional(value, _UNSET.get(key, "")) for key, value in mongodb.items()})
        elasticsearch.update({key: optional(value) for key, value in elasticsearch.items()})
    translation.move("chat_history.retention_days", "sessions.ttl", _days)
    translation.move("chat_history.enabled", "sessions.enabled", is_on)
    translation.drop("chat_history", _CHAT_HISTORY)


def _mongodb(translation: Translation) -> None:
    backend = translation.section("internal_services.backend").get("type")
    found = translation.take("internal_services.mongodb")
    if isinstance(found, dict):
        used = backend == "mongodb" or (backend is None and is_on(found.get("enabled")) and found.get("host") != "")
        if not used:
            translation.note("mongodb", "internal_services.mongodb is not used: the backend is another.")
        elif translation.get("mongodb") is MISSING:
            settings = {key: value for key, value in found.items() if key not in _MONGODB_DROPPED}
            translation.put("mongodb", settings)
            translation.note("mongodb", "internal_services.mongodb is now mongodb.")
    if backend == "mongodb":
        translation.take("internal_services.backend")
    translation.drop("mongodb", _MONGODB_DROPPED, "operators sign in with the admin token")


def _elasticsearch(translation: Translation) -> None:
    found = translation.take("internal_services.elasticsearch")
    if isinstance(found, dict) and translation.get("elasticsearch") is MISSING:
        found = {key: value for key, value in found.items() if value is not None}
        if is_on(found.get("enabled")):
            found["node"] = optional(found.get("node", "http://localhost:9200"), "http://localhost:9200")
        translation.put("elasticsearch", found)
        translation.note("elasticsearch", "internal_services.elasticsearch is now elasticsearch.")
    auth = translation.take("elasticsearch.auth")
    if isinstance(auth, dict):
        for key, value in auth.items():
            translation.put(f"elasticsearch.{key}", optional(value))
        translation.note("elasticsearch", "elasticsearch.auth.username and .password are now directly in the section.")


def _days(value: Any) -> float:
    return float(value) * _SECONDS_A_DAY
