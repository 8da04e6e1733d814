"""The ONNX provider keeps the contracts of embedders and rerankers."""

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
    pass


class TestMultilingual(OnnxFixtures, BaseEmbedContract):
    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"model": "multilingual"}


class TestFolder(OnnxFixtures, BaseEmbedContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"model": str(onnx_models.write_embedder(tmp_path / "tiny"))}


class TestReranker(OnnxFixtures, BaseRerankContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, Any]:
        return {"model": "", "reranker": str(onnx_models.write_cross_encoder(tmp_path / "cross"))}
