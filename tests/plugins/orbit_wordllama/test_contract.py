"""The WordLlama provider keeps the contract of embedders."""

import pytest

from orbit.testing import BaseEmbedContract


class TestWordLlama(BaseEmbedContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "wordllama"
