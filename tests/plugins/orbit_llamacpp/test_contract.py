"""The llama.cpp provider keeps the contracts of generators and embedders, with tiny models of random weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orbit.testing import BaseEmbedContract, BaseGenerateContract


@pytest.fixture(scope="module")
def writer(tmp_path_factory: pytest.TempPathFactory, gguf: Any) -> Path:
    path: Path = gguf.write_decoder(tmp_path_factory.mktemp("model") / "tiny.gguf", "llama")
    return path


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory, gguf: Any) -> Path:
    path: Path = gguf.write_embedder(tmp_path_factory.mktemp("model") / "tiny.gguf")
    return path


class LlamaCppFixtures:
    @pytest.fixture
    def plugin_name(self) -> str:
        return "llama_cpp"


class TestWriter(LlamaCppFixtures, BaseGenerateContract):
    test_generate_keeps_characters_whole = None  # type: ignore[assignment]
    """Random weights write bytes that are no characters; `test_generate` has the rule with a model that can write."""

    @pytest.fixture
    def settings(self, writer: Path) -> dict[str, Any]:
        return {"model_path": str(writer), "n_ctx": 1024, "n_threads": 1, "max_tokens": 24, "temperature": 0.0}


class TestEmbedder(LlamaCppFixtures, BaseEmbedContract):
    @pytest.fixture
    def settings(self, embedder: Path) -> dict[str, Any]:
        return {"model_path": str(embedder), "n_ctx": 64, "n_threads": 1}

    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]]:
        return "a 漢 bc", (2, 5, 1, 6, 33, 3)
