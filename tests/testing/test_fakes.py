"""The fakes are right: each keeps the contract of its hook, as an author's plugin must."""

from collections.abc import Callable
from typing import Any

import pytest

from orbit import Provider
from orbit.testing import (
    Backwards,
    Bag,
    BaseEmbedContract,
    BaseGenerateContract,
    BaseIndexContract,
    BaseLogContract,
    BaseModerateContract,
    BaseRerankContract,
    BaseRetrieveContract,
    Cabinet,
    Caller,
    Diary,
    Echo,
    Guard,
    Script,
    Shelf,
)


class TestEcho(BaseGenerateContract):
    test_generate_passes_the_conversation_on = None  # type: ignore[assignment]
    """It answers with the last message alone, and counts what it says."""

    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Echo


class TestScript(BaseGenerateContract):
    test_generate_passes_the_conversation_on = None  # type: ignore[assignment]
    """No model reads what it is asked, and its usage counts messages."""

    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Script


class TestBag(BaseEmbedContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Bag


class TestCabinet(BaseIndexContract, BaseRetrieveContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Cabinet


class TestShelf(BaseRetrieveContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Shelf

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"texts": ["one", "two", "three"]}


class TestCaller(BaseGenerateContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Caller

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"calls": {"weather": {"town": "Bonn"}, "clock": {}, "unknown": {}}}

    @pytest.fixture
    def call_tools(self) -> Callable[[], None]:
        return lambda: None  # it always does


class TestBackwards(BaseRerankContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Backwards


class TestGuard(BaseModerateContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Guard

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        return {"stages": ["input", "output"]}

    @pytest.fixture
    def refused(self) -> str:
        return "What is forbidden here?"


class TestDiary(BaseLogContract):
    @pytest.fixture
    def provider_class(self) -> type[Provider]:
        return Diary
