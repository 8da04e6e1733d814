"""The plugins inside the host keep their contracts like any other."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orbit.testing import BaseLogContract, BaseRerankContract, BaseSplitContract


class TestFiles(BaseLogContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "files"

    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"directory": str(tmp_path / "logs")}

    @pytest.fixture
    def stored(self, tmp_path: Path) -> Callable[[], Sequence[str]]:
        def read() -> list[str]:
            lines = [
                line for file in sorted((tmp_path / "logs").glob("*.log")) for line in file.read_bytes().splitlines()
            ]
            return [msgspec.json.decode(line)["request_id"] for line in lines]

        return read


class TestReranker(BaseRerankContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "reranker"


class TestSplitter(BaseSplitContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "splitter"
