"""Sections about the server itself: general, logging, messages, keys, sign-ins, pages of other origins, uploads."""

from __future__ import annotations

from typing import Any

from orbit.config.earlier.translation import MISSING, Translation, is_on

_LISTENS = (
    "general.host is not set: ORBIT listens on 127.0.0.1 only, while the earlier one listened on every interface. "
    "Set general.host: 0.0.0.0 if clients of other machines connect directly."
)
_LOG = (
    "logging.file is the chat log: one JSON object for each question. The server's own messages go to standard error, "
    "and to the file logging.server_file."
)
_AUTH = ("blacklist", "credential_storage", "default_admin_password", "default_admin_username", "enabled",
         "pbkdf2_iterations", "providers", "require_authenticated_user")  # fmt: skip
_UPLOADS = ("allowed_extensions", "auto_store_in_vector_db", "enabled", "max_files_per_batch", "save_to_disk",
            "upload_directory")  # fmt: skip
_FILES = ("azure", "chunking_options", "default_chunk_overlap", "default_chunk_size", "default_chunking_strategy",
          "default_collection_prefix", "default_vector_store", "encryption", "gcs", "metadata_db_path", "processing",
          "s3", "storage_backend", "storage_root", "tokenizer", "use_tokens")  # fmt: skip
_BYTES = 1024 * 1024


def translate_server(translation: Translation, *, earlier: bool) -> None:
    """Translate the sections of the server itself."""
    if earlier and translation.get("general.host") is MISSING:
        translation.note("general", _LISTENS)
    translation.drop("general", ("mcp_protocol",))
    translation.drop("general", ("language_detection",), "put the wanted language into the system prompt")
    translation.drop("general", ("session_id",), "clients send session_id in the body of a request")
    translation.drop("general.https", ("key_password",), "decrypt the private key")
    translation.drop("general", ("embedding_enabled", "inference"))
    if not translation.claimed("system"):
        translation.move("system.prompt", "general.default_system_prompt", _text)
        translation.drop("system", ("template_path",), "general.default_system_prompt")
        translation.drop("system", ("guardrail_prompt",), "safety")
    translation.drop("messages", ("collection_not_found",))
    _keys(translation)
    _logging(translation)
    _auth(translation)
    _uploads(translation)
    _security(translation)
    monitoring = translation.section("monitoring")
    if monitoring and not translation.claimed("monitoring"):
        enabled = translation.section("monitoring.metrics.prometheus").get("enabled", monitoring.get("enabled"))
        if not is_on(enabled) and translation.put("metrics.enabled", value=False):
            translation.note("metrics", "monitoring.enabled is now metrics.enabled.")
        translation.take("monitoring")


def _keys(translation: Translation) -> None:
    for name in list(translation.section("api_keys")):
        path = f"api_keys.{name}"
        if name == "require_for_health":
            translation.move(path, "health.details", lambda value: "key" if is_on(value) else "open")
        elif name == "prefix":
            translation.leave_out(path, "new keys begin with orbit_")
        elif name == "header_name" and str(translation.get(path)).lower() == "x-api-key":
            translation.take(path)
        elif name == "header_name":
            translation.leave_out(path, "clients send X-API-Key or Authorization: Bearer")
        else:
            translation.leave_out(path)


def _logging(translation: Translation) -> None:
    for name in ("file", "console"):
        translation.move(f"logging.handlers.{name}", f"logging.{name}")
    if translation.section("logging.handlers"):
        translation.drop("logging", ("handlers",))
    else:
        translation.take("logging.handlers")
    level = translation.get("logging.level")
    if isinstance(level, str) and level != level.upper() and "$" not in level:
        translation.data["logging"]["level"] = level.upper()
    console = translation.get("logging.console")
    if isinstance(console, dict):
        translation.take("logging.console")
        translation.put("logging.console", is_on(console.get("enabled")))
        if console.get("format") in ("json", "text"):
            translation.put("logging.format", console["format"])
        translation.note("logging", "logging.console is now true or false, and its format is logging.format.")
    translation.drop("logging", ("capture_warnings", "propagate"))
    translation.drop("logging", ("chat_history", "internal_services", "mongodb", "redis"), "sections of their own")
    translation.drop("logging", ("loggers",), "logging.level holds for the whole server log")
    file = translation.section("logging.file")
    old = file.get("format") == "text" or str(file.get("rotation", "daily")) not in ("daily", "midnight")
    if file.get("format") == "text":
        del file["format"]
    if old and "rotation" in file and "$" not in str(file["rotation"]):
        if str(file["rotation"]).lower() not in ("h", "hourly", "d", "day", "s", "m", "w0"):
            return  # a typing mistake
        file["rotation"] = "daily"
    if old:
        translation.note("logging", _LOG)


def _auth(translation: Translation) -> None:
    translation.move("auth.session_duration_hours", "auth.admin_session_hours", _number)
    translation.drop("auth", _AUTH, "operators sign in with the admin token, `orbit token show`")


def _uploads(translation: Translation) -> None:
    translation.move("file_upload.chunk_size", "ingest.chunk_size", _whole)
    translation.move("file_upload.chunk_overlap", "ingest.chunk_overlap", _whole)
    translation.move("file_upload.max_size_mb", "ingest.max_file_bytes", _megabytes)
    translation.drop("file_upload", _UPLOADS, "orbit ingest, or the operator's page")
    if set(translation.section("files")) & set(_FILES):
        translation.move("files.default_chunk_size", "ingest.chunk_size", _whole)
        translation.move("files.default_chunk_overlap", "ingest.chunk_overlap", _whole)
        translation.leave_out("files", "orbit ingest")


def _security(translation: Translation) -> None:
    if translation.get("security") is MISSING or translation.claimed("security"):
        return
    for old, new in (
        ("allowed_origins", "allow_origins"),
        ("allowed_methods", "allow_methods"),
        ("allowed_headers", "allow_headers"),
        ("max_age", "max_age"),
    ):
        translation.move(f"security.cors.{old}", f"cors.{new}")
    translation.move("security.request_limits.max_body_size_mb", "limits.max_body_bytes", _megabytes)
    for name in ("rate_limiting", "throttling"):
        translation.drop("security", (name,), "orbit keys update KEY --requests-per-minute N")
    translation.drop("security", ("error_handling", "headers"), "ORBIT's own are always on")
    translation.drop("security.cors", ("allow_credentials", "expose_headers"))
    for name in ("cors", "request_limits"):
        if translation.section(f"security.{name}") or translation.get(f"security.{name}") in ({}, None):
            translation.take(f"security.{name}")
    if translation.section("security"):
        translation.leave_out("security")


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError
    return value


def _number(value: Any) -> Any:
    return value if isinstance(value, str) and "$" in value else float(value)


def _whole(value: Any) -> Any:
    return value if isinstance(value, str) and "$" in value else int(value)


def _megabytes(value: Any) -> int:
    return int(float(value) * _BYTES)
