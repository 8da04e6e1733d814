"""Take the screenshots of the chat page in ``docs/images`` from a running server.

python scripts/chat_screenshots.py http://localhost:3000 KEY
"""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
QUESTIONS = ("What does ORBIT do?",)
DESKTOP = {"viewport": {"width": 1120, "height": 760}}
PICTURES: dict[str, dict[str, Any]] = {
    "chat-light": {**DESKTOP, "color_scheme": "light"},
    "chat-dark": {**DESKTOP, "color_scheme": "dark"},
    "chat-phone": {
        "viewport": {"width": 390, "height": 760},
        "device_scale_factor": 1.5,
        "is_mobile": True,
        "has_touch": True,
    },
}


def main(url: str, key: str) -> None:
    """Ask the same questions in each layout."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        for name, options in PICTURES.items():
            context = browser.new_context(**options)
            page = context.new_page()
            page.goto(url)
            page.get_by_label("API key").fill(key)
            page.keyboard.press("Enter")
            for number, question in enumerate(QUESTIONS):
                page.get_by_role("textbox", name="Your question").fill(question)
                page.keyboard.press("Enter")
                page.get_by_role("button", name="Copy the answer").nth(number).wait_for(timeout=120_000)
            page.locator(".turn").last.locator("summary").first.click()
            page.wait_for_timeout(500)
            page.mouse.wheel(0, 10_000)
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
