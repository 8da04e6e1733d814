"""The lexical store keeps the contracts of stores and retrievers."""

import pytest

from orbit.testing import BaseIndexContract, BaseRetrieveContract


class TestLexical(BaseIndexContract, BaseRetrieveContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "lexical"
