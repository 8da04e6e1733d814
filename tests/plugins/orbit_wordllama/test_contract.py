"""The WordLlama provider keeps the contract of embedders."""

from collections.abc import Sequence

import pytest

from orbit.testing import BaseEmbedContract


class TestWordLlama(BaseEmbedContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "wordllama"

    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]]:
        return "Hello world", (1, 15043, 3186, 2)
