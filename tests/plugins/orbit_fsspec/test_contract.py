"""The connector keeps the contract of ``fetch``, on a folder and on S3."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_wire import bucket

from orbit.testing import BaseFetchContract


class TestFolder(BaseFetchContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "fsspec"

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "papers" / "old").mkdir(parents=True)
        (tmp_path / "papers" / "tea.md").write_text("Tea is steeped.")
        (tmp_path / "papers" / "old" / "water.txt").write_text("Water boils.")
        return {"url": str(tmp_path / "papers"), "link": "https://papers.example/{name}"}

    @pytest.fixture
    def down_settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"url": str(tmp_path / "nowhere")}


class TestS3(BaseFetchContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "fsspec"

    @pytest.fixture
    def settings(self) -> Iterator[dict[str, Any]]:
        with bucket() as papers:
            papers.objects = {"tea.md": b"Tea is steeped.", "old/water.txt": b"Water boils."}
            yield s3(papers.endpoint)

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return s3("http://127.0.0.1:9")


def s3(endpoint: str) -> dict[str, Any]:
    """The settings for the bucket ``papers`` at an endpoint."""
    return {
        "url": "s3://papers",
        "options": {"endpoint": endpoint, "region": "eu-west-1", "max_retries": 0},
        "credentials": {"access_key_id": "reader", "secret_access_key": "s3cret"},
    }
