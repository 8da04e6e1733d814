"""The ONNX provider keeps the contracts of embedders and rerankers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx_models
import pytest

from orbit.testing import BaseEmbedContract, BaseRerankContract


class OnnxFixtures:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "onnx"


class TestMiniLM(OnnxFixtures, BaseEmbedContract):
    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]]:
        return "I do not know, 😀!", (101, 1045, 2079, 2025, 2113, 1010, 100, 999, 102, 0, 0)


class TestMultilingual(OnnxFixtures, BaseEmbedContract):
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"model": "multilingual"}


class TestFolder(OnnxFixtures, BaseEmbedContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"model": str(onnx_models.write_embedder(tmp_path / "tiny"))}

    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]]:
        return "tea is steeped", [onnx_models.WORDS.index(word) for word in ("tea", "is", "steeped")]


class TestReranker(OnnxFixtures, BaseRerankContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"model": "", "reranker": str(onnx_models.write_cross_encoder(tmp_path / "cross"))}
