"""The client's credentials: from the settings, the environment or ``.env``."""

from __future__ import annotations

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from orbit_es.settings import ElasticsearchSettings


def credentials(settings: ElasticsearchSettings) -> dict[str, Any]:
    """Return the client's credentials from the settings, the environment or ``.env``; empty if there are none."""
    if authorization := next((one.authorization for one in settings.addresses if one.authorization), ""):
        return {"headers": {"authorization": authorization}}
    if api_key := settings.api_key or _given("API_KEY"):
        return {"api_key": api_key}
    username, password = login(settings)
    if not (username and password):
        return {}
    # The client's own basic_auth accepts only ASCII; Elasticsearch reads UTF-8.
    return {"headers": {"authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode()}}


def login(settings: ElasticsearchSettings) -> tuple[str, str]:
    """Return user name and password from the settings, the environment or ``.env``; each may be empty."""
    return settings.username or _given("USERNAME"), settings.password or _given("PASSWORD")


def _given(name: str) -> str:
    file = Path(os.environ.get("ORBIT_CONFIG") or "config.yaml").parent / ".env"
    return {**dotenv_values(file), **os.environ}.get(f"ELASTICSEARCH_{name}") or ""
