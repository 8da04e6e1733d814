"""Load time and size of the chat page, in a headless Chromium on loopback.

    .venv/bin/python bench/page.py [--rounds 9]

Aims: usable within 1 s of the request, at most 100 kB transferred. Usable means that the key field has the focus, so
all scripts have run. Every load uses a new browser profile. The reference, measured alternately, is how long the same
browser takes to load ``/health/live``, a few bytes of JSON.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from orbit.testing import serve


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        serve({"echo": {}}, Path(folder)) as server,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=chromium)
        _load(browser, server.url)  # the browser's own first page
        reference, page, sizes = [], [], []
        for _ in range(rounds):
            reference.append(_load(browser, f"{server.url}/health/live", focus="")[0])
            seconds, transferred = _load(browser, server.url)
            page.append(seconds)
            sizes.append(transferred)
        browser.close()
    median = statistics.median(page)
    print(f"chat page usable after {median:.3f} s, at worst {max(page):.3f} s (aim: at most 1 s)")
    print(f"reference, a few bytes of JSON: {statistics.median(reference):.3f} s")
    kilobytes = max(sum(size) for size in sizes) / 1000
    print(f"first load: {kilobytes:.1f} kB in {len(sizes[0])} requests (aim: at most 100 kB)")


def _load(browser: Any, url: str, focus: str = "key") -> tuple[float, list[float]]:
    """Return the seconds until the element ``focus`` has the focus, and the bytes of each response."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    transferred: list[float] = []
    session.on("Network.loadingFinished", lambda event: transferred.append(event["encodedDataLength"]))
    started = time.perf_counter()
    page.goto(url, wait_until="load")
    if focus:
        page.locator(f"#{focus}:focus").wait_for()
    seconds = time.perf_counter() - started
    page.wait_for_load_state("networkidle")
    context.close()
    return seconds, transferred


if __name__ == "__main__":
    main()
