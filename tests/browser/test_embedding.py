"""The chat page in the pages of other sites: by one script tag, for the sites that the operator names."""

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from orbit.testing import serve


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing about it."""

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Another web site: its origin and its folder."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def write_page(folder: Path, server: Any, attributes: str, body: str = "") -> None:
    """A page that follows a policy of its own and embeds the chat by one script tag."""
    policy = f"default-src 'none'; img-src data:; script-src {server.url}; frame-src {server.url}"
    (folder / "index.html").write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>A site</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><link rel="icon" href="data:,">'
        f'<main><h1>Welcome</h1>{body}</main><script src="{server.url}/embed.js" {attributes} async></script></html>'
    )


def test_a_site_that_is_allowed_shows_the_chat_at_a_button(tab: Any, faults: Any, site: Any, tmp_path: Path) -> None:
    origin, folder = site
    with serve({"echo": {}, "pages": {"embed_origins": [origin]}}, tmp_path) as server:
        write_page(folder, server, f'data-key="{server.key}" data-label="Ask us" data-theme="dark"')
        page = tab()
        page.goto(origin)
        page.get_by_role("button", name="Ask us").click()
        chat = page.frame_locator("iframe")
        chat.get_by_role("textbox", name="Your question").fill("Hello from the site")
        chat.get_by_role("button", name="Ask", exact=True).click()
        chat.get_by_role("button", name="Copy the answer").wait_for()
        assert chat.locator(".prose").inner_text() == "Hello from the site"
        assert chat.locator("html").get_attribute("data-theme") == "dark"
        assert chat.get_by_role("button", name="Forget the key").is_hidden()  # it is the site's
        assert faults(page) == []
        page.get_by_role("button", name="Close").press("Escape")
        assert page.evaluate("document.activeElement.shadowRoot.activeElement.textContent") == "Ask us"
        page.get_by_role("button", name="Ask us").press("Enter")
        assert chat.locator(".prose").inner_text() == "Hello from the site"


def test_the_chat_can_fill_an_element_and_asks_for_the_key(tab: Any, site: Any, tmp_path: Path) -> None:
    origin, folder = site
    with serve({"echo": {}, "pages": {"embed_origins": ["https://other.example", origin]}}, tmp_path) as server:
        write_page(folder, server, 'data-target="#chat"', '<div id="chat"></div>')
        page = tab()
        page.goto(origin)
        chat = page.frame_locator("#chat iframe")
        chat.get_by_label("API key").wait_for()
        assert page.evaluate("document.activeElement.localName") == "body"  # the site keeps the focus
        chat.get_by_label("API key").fill(server.key)
        chat.get_by_role("button", name="Continue").click()
        chat.get_by_role("textbox", name="Your question").wait_for()


def test_a_site_that_is_not_allowed_gets_no_frame(tab: Any, site: Any, tmp_path: Path) -> None:
    origin, folder = site
    with serve({"echo": {}, "pages": {"embed_origins": ["https://other.example"]}}, tmp_path) as server:
        write_page(folder, server, f'data-key="{server.key}"')
        page = tab(watched=False)
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(origin)
        page.get_by_role("button", name="Ask a question").click()
        page.get_by_text("The chat cannot be shown in this page.").wait_for()
        assert any("frame-ancestors" in complaint for complaint in complaints)
        assert any("pages.embed_origins" in complaint for complaint in complaints)
        link = page.get_by_role("link", name="Open it by itself")
        assert link.get_attribute("href") == f"{server.url}/"


def test_the_page_takes_no_key_from_a_page_that_opened_it(tab: Any, site: Any, tmp_path: Path) -> None:
    """Only what is around it may give it one: whoever opens a window could have people talk under a foreign key."""
    origin, folder = site
    with serve({"echo": {}, "pages": {"embed_origins": [origin]}}, tmp_path) as server:
        (folder / "index.html").write_text("<!doctype html><title>x</title><link rel='icon' href='data:,'>")
        page = tab()
        page.goto(origin)
        with page.expect_popup() as opened:
            page.evaluate(f"window.chat = window.open('{server.url}/')")
        chat = opened.value
        chat.get_by_label("API key").wait_for()
        message = f"{{ type: 'orbit-settings', key: '{server.key}' }}"
        page.evaluate(f"for (let i = 0; i < 20; i++) window.chat?.postMessage({message}, '*')")
        chat.evaluate(f"window.postMessage({message}, '*')")
        chat.wait_for_timeout(300)
        assert chat.get_by_label("API key").is_visible()
        assert chat.get_by_role("textbox", name="Your question").is_hidden()
