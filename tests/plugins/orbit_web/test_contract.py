"""The connector keeps the contract of ``fetch``."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from site_wire import Page, Site, html, site

from orbit.testing import BaseFetchContract


class TestSite(BaseFetchContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "web"

    @pytest.fixture
    def served(self) -> Iterator[Site]:
        pages = {
            "/": html("Start", "/tea", "/paper.pdf"),
            "/tea": html("Tea"),
            "/paper.pdf": Page(b"%PDF", "application/pdf"),
        }
        with site(pages) as served:
            yield served

    @pytest.fixture
    def settings(self, served: Site) -> dict[str, Any]:
        return {"start": [f"{served.url}/"], "private": True, "delay": 0}

    @pytest.fixture
    def change_file(self, served: Site) -> Callable[[], str]:
        def change() -> str:
            served.pages["/paper.pdf"] = Page(b"%PDF-2.0", "application/pdf")
            return served.url.partition("://")[2] + "/paper.pdf"

        return change

    @pytest.fixture
    def fail_midway(self, served: Site) -> Callable[[], None]:
        failed = Page(b"out of order", "text/plain", 503)
        return lambda: served.pages.update(dict.fromkeys(served.pages, failed))

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"start": ["http://127.0.0.1:9/"], "private": True, "delay": 0}
