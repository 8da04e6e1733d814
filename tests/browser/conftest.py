"""A headless Chromium for tests of the web pages. Debian: ``apt install chromium``; without it they are skipped."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any, TypeAlias

import httpx
import pytest
from admin_kit import CONFIG, RIGHT, TOKEN

from orbit.testing import serve

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
WAIT_MILLISECONDS = 60_000
"""How long a page may take for anything before a test gives up; the machine may be busy."""

Tab: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser. Its driver keeps an event loop running in this thread, so it must have ended before other tests."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install the Debian package chromium, or name the program in $CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: see requirements-dev.txt")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM)
        yield running
        running.close()


class Watch:
    """What a page must not do, whatever it shows: break its own policy, fail, or ask any other host."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def over(self, page: Any) -> None:
        """Listen to a page."""
        page.on("pageerror", lambda error: self.complaints.append(f"script error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        # An error status of a fetch is told on the console too; that is no fault of the page.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(("http://127.0.0.1:", "http://localhost:")):
            self.complaints.append(f"request: {request.url}")

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    """Open a tab of a browser of its own: ``tab(color_scheme="dark", viewport={"width": 390, "height": 800})``.

    After the test it is an error if a page broke its Content-Security-Policy, had a script error, opened a dialog or
    asked another host, unless it was opened with ``watched=False``.
    """
    contexts, watch = [], Watch()

    def open_tab(*, watched: bool = True, **options: Any) -> Any:
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MILLISECONDS)
        contexts.append(context)
        page = context.new_page()
        if watched:
            watch.over(page)
        return page

    yield open_tab
    for context in contexts:
        context.close()
    assert watch.complaints == []


@pytest.fixture
def faults() -> Callable[[Any], list[str]]:
    """Find what axe-core calls serious or critical on a page: ``assert faults(page) == []``."""

    def find(page: Any) -> list[str]:
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
        result = page.evaluate("axe.run({resultTypes: ['violations'], iframes: false})")
        return [
            f"{violation['id']}: {violation['help']} ({node['html']}) {node.get('failureSummary', '')}"
            for violation in result["violations"]
            for node in violation["nodes"]
            if violation["impact"] in {"serious", "critical"}
        ]

    return find


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true of the server, whose work ends a moment after the page has let go of it."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + WAIT_MILLISECONDS / 1000
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with the operator's page, for all tests of a module."""
    folder = tmp_path_factory.mktemp("admin")
    log = {"file": {"enabled": True, "directory": str(folder / "logs")}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        with serve({**CONFIG, "logging": log}, folder) as running:
            yield running


@pytest.fixture
def admin(server: Any) -> Iterator[httpx.Client]:
    """The API beside the page, to look at what the page did."""
    with httpx.Client(base_url=server.url, headers=RIGHT, timeout=30) as client:
        yield client
        for key in client.get("/admin/api-keys?limit=1000").json():
            if key["client_name"] != "test":
                client.delete(f"/admin/api-keys/{key['id']}")
        for prompt in client.get("/admin/prompts?limit=1000").json():
            client.delete(f"/admin/prompts/{prompt['id']}?force=true")
        for collection in client.get("/admin/collections").json()["collections"]:
            name = collection["name"]
            client.delete(f"/admin/collections/{name}", params={"confirm": name})
