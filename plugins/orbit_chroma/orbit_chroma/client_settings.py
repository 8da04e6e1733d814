"""Settings of the Chroma client for both modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chromadb.config import Settings


def quiet_settings() -> Settings:
    """Return settings without telemetry that ignore ``.env`` and unrelated environment variables."""
    from chromadb.config import Settings  # noqa: PLC0415 - importing a plugin stays light

    return Settings(
        _env_file=None,  # type: ignore[call-arg] # pydantic's own argument, unknown without its mypy plugin
        anonymized_telemetry=False,
        chroma_otel_collection_endpoint="",
        chroma_server_host=None,
        chroma_server_http_port=None,
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI",
    )
