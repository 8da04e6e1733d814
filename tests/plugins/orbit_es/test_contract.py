"""The Elasticsearch provider keeps the contract of providers. It has no hook `log`: it follows the file log."""

from pathlib import Path
from typing import Any

import pytest

from orbit.testing import BaseProviderContract


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "logs")


@pytest.fixture
def sending(elastic, index: str, folder: str) -> dict[str, Any]:
    quick = {"batch_seconds": 0.05, "request_timeout": 0.5, "retry_seconds": 0.2}
    return {"node": elastic.url, "index": index, "directory": folder, **quick}


class TestElasticsearch(BaseProviderContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "elasticsearch"

    @pytest.fixture
    def settings(self, sending: dict[str, Any]) -> dict[str, Any]:
        return sending

    @pytest.fixture
    def down_settings(self, sending: dict[str, Any]) -> dict[str, Any]:
        return sending | {"node": "http://127.0.0.1:9"}

    @pytest.fixture
    def config(self, folder: str) -> dict[str, Any]:
        return {"logging": {"file": {"enabled": True, "directory": folder}}}
