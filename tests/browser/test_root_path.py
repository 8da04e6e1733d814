"""The pages under the path of a proxy: their scripts ask there too."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chat_kit import LIBRARY, PLUGINS, asked

from orbit.testing import serve


def test_the_chat_page_asks_under_the_path(tab: Any, tmp_path: Path) -> None:
    config = {**LIBRARY, "general": {**LIBRARY.get("general", {}), "root_path": "/tools/orbit"}}
    with serve(config, tmp_path, PLUGINS) as server:
        page = tab()
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        asked(page, SimpleNamespace(url=f"{server.url}/tools/orbit", key=server.key))
        assert page.locator(".answer > .prose strong").inner_text() == "9 to 16"
        assert f"{server.url}/tools/orbit/chat" in requested
        assert all(url.startswith(f"{server.url}/tools/orbit") for url in requested)
