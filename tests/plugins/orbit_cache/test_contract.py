"""The answer cache keeps the contract of wrappers."""

from __future__ import annotations

from typing import Any

import pytest

from orbit.testing import BaseWrapperContract


class TestCache(BaseWrapperContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "cache"

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """Keep and share nothing: the contract asks the same again and expects the answer of the call inside."""
        return {"max_bytes": 1, "wait": 0}
