"""The connector keeps the contract of ``fetch``."""

from collections.abc import Iterator
from typing import Any

import pytest
from site_wire import Page, html, site

from orbit.testing import BaseFetchContract


class TestSite(BaseFetchContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "web"

    @pytest.fixture
    def settings(self) -> Iterator[dict[str, Any]]:
        pages = {
            "/": html("Start", "/tea", "/paper.pdf"),
            "/tea": html("Tea"),
            "/paper.pdf": Page(b"%PDF", "application/pdf"),
        }
        with site(pages) as served:
            yield {"start": [f"{served.url}/"], "private": True, "delay": 0}

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"start": ["http://127.0.0.1:9/"], "private": True, "delay": 0}
