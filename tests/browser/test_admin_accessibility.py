"""The operator's page for everybody: axe, phones, the keyboard."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from admin_kit import TOKEN, chat, show, sign_in

from orbit.testing import serve

PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, PHONE], ids=["dark", "phone"])
def test_everybody_can_use_it(tab: Any, faults: Any, server: Any, admin: httpx.Client, options: Any) -> None:
    admin.post("/admin/prompts", json={"name": "guide", "prompt": "Be kind."})
    admin.post("/admin/api-keys", json={"client_name": "Ana", "notes": "from the library", "requests_per_minute": 5})
    admin.post("/admin/collections/museum/documents", files=[("files", ("a.md", b"text")), ("files", ("b.md", b"b"))])
    chat(server, server.key)
    server.settle()
    server.call(server.provider("files").flush())
    page = tab(**options)
    page.goto(f"{server.url}/admin/")
    page.get_by_label("Admin token").wait_for()
    assert faults(page) == []
    sign_in(page)
    for section, opener in [
        ("Overview", None),
        ("Keys", page.get_by_role("button", name="New key")),
        ("Prompts", page.get_by_role("button", name="Edit the prompt guide")),
        ("Collections", page.get_by_role("button", name="Delete collection museum")),
        ("Chats", None),
    ]:
        show(page, section)
        for details in page.locator("main details").all()[:2]:
            details.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{section} is too wide"
        assert faults(page) == []
        if opener is not None:
            opener.click()
            assert faults(page) == []
            page.keyboard.press("Escape")
            assert opener.evaluate("element => element === document.activeElement")


def test_a_long_title_scrolls_nothing_sideways(tab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    title = f"The municipal library of the city and all its branches {'y' * 80}"
    with serve({"echo": {}, "pages": {"title": title}}, tmp_path) as server:
        page = tab(**PHONE)
        page.goto(f"{server.url}/admin/")
        page.get_by_label("Admin token").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        sign_in(page)
        for section in ("Overview", "Keys"):
            show(page, section)
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            box = page.get_by_role("button", name="Sign out").bounding_box()
            assert box["x"] + box["width"] <= 390
        page.goto(server.url)
        page.get_by_label("API key").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_it_can_be_used_with_the_keyboard_alone(tab: Any, server: Any, admin: httpx.Client) -> None:
    page = tab()
    page.goto(f"{server.url}/admin/#keys")
    page.get_by_label("Admin token").wait_for()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="New key").wait_for()
    page.locator("[aria-busy]").wait_for(state="detached")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "New key":
            break
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    page.keyboard.type("Typed")
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="The key is made").wait_for()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    assert "Typed" in admin.get("/admin/api-keys").text
