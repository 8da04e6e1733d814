"""The client's credentials: from the settings, the environment or ``.env``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from orbit_es.settings import ElasticsearchSettings


def credentials(settings: ElasticsearchSettings, variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the client's credentials, from the settings or the variables; empty if there are none."""
    if authorization := next((one.authorization for one in settings.addresses if one.authorization), ""):
        return {"headers": {"authorization": authorization}}
    if api_key := settings.api_key or variables.get("ELASTICSEARCH_API_KEY"):
        return {"api_key": api_key}
    username, password = login(settings, variables)
    if not (username and password):
        return {}
    # The client's own basic_auth accepts only ASCII; Elasticsearch reads UTF-8.
    return {"headers": {"authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode()}}


def login(settings: ElasticsearchSettings, variables: Mapping[str, str]) -> tuple[str, str]:
    """Return user name and password, from the settings or the variables; each may be empty."""
    return (
        settings.username or variables.get("ELASTICSEARCH_USERNAME", ""),
        settings.password or variables.get("ELASTICSEARCH_PASSWORD", ""),
    )
