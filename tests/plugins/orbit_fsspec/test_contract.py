"""The connector keeps the contract of ``fetch``, on a folder and on S3."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_wire import Bucket, bucket

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
    def change_file(self, tmp_path: Path) -> Callable[[], str]:
        def change() -> str:
            (tmp_path / "papers" / "tea.md").write_text("Tea is brewed.")
            return "tea.md"

        return change

    @pytest.fixture
    def fail_midway(self, tmp_path: Path) -> Callable[[], None]:
        return lambda: shutil.rmtree(tmp_path / "papers" / "old")

    @pytest.fixture
    def down_settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"url": str(tmp_path / "nowhere")}


class TestS3(BaseFetchContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "fsspec"

    @pytest.fixture
    def papers(self) -> Iterator[Bucket]:
        with bucket() as papers:
            papers.objects = {"tea.md": b"Tea is steeped.", "old/water.txt": b"Water boils."}
            yield papers

    @pytest.fixture
    def settings(self, papers: Bucket) -> dict[str, Any]:
        return s3(papers.endpoint)

    @pytest.fixture
    def change_file(self, papers: Bucket) -> Callable[[], str]:
        def change() -> str:
            papers.objects["tea.md"] = b"Tea is brewed."
            return "tea.md"

        return change

    @pytest.fixture
    def fail_midway(self, papers: Bucket) -> Callable[[], None]:
        return lambda: papers.denied.update({"old", "old/"})

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
