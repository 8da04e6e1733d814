"""The chat page for everybody: the keyboard, screen readers, axe, themes, phones."""

from pathlib import Path
from typing import Any

import pytest
from chat_kit import LIBRARY, MARKDOWN, PLUGINS, ask, asked, enter

from orbit.testing import serve

PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}


def test_the_keyboard_is_enough(tab: Any, tmp_path: Path) -> None:
    questions = ["What is a plugin?"]
    with serve({**LIBRARY, "pages": {"questions": questions}}, tmp_path, PLUGINS) as server:
        page = tab()
        page.goto(server.url)
        page.keyboard.type(server.key)
        page.keyboard.press("Enter")
        page.get_by_role("textbox", name="Your question").wait_for()
        page.keyboard.type("One line")
        page.keyboard.press("Shift+Enter")
        page.keyboard.type("and another")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Copy the answer").wait_for()
        assert page.locator(".asked").inner_text() == "One line\nand another"
        page.get_by_role("link", name="Source 1").focus()
        page.keyboard.press("Enter")
        page.get_by_text("From 9 to 16 on Saturdays.").wait_for()
        assert page.evaluate("document.activeElement.localName") == "summary"
        page.keyboard.press("Enter")
        page.get_by_text("From 9 to 16 on Saturdays.").wait_for(state="hidden")
        page.get_by_role("button", name="New conversation").press("Enter")
        page.get_by_role("button", name=questions[0]).press("Enter")
        page.get_by_role("button", name="Copy the answer").wait_for()
        assert page.locator(".asked").inner_text() == questions[0]


def test_screen_readers_hear_the_answer_once_when_it_is_complete(tab: Any, eventually: Any, tmp_path: Path) -> None:
    with serve({"script": {"words": 3, "delay": 0.1}, "shelf": {}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        page.evaluate("""() => {
            window.heard = [];
            new MutationObserver(() => {
                const text = document.getElementById("status").textContent;
                if (text) window.heard.push(text);
            }).observe(document.getElementById("status"), { childList: true });
        }""")
        ask(page, "Hello")
        eventually(lambda: page.evaluate("window.heard.length") == 2)
        assert page.evaluate("window.heard") == ["Answering.", "Answer: word0 word1 word2 1 source."]
        assert page.locator("[aria-live], [role=log]").count() == 0  # nothing reads the pieces out
        headings = page.get_by_role("heading").all_inner_texts()
        assert [text for text in headings if text in {"ORBIT", "Question", "Answer"}] == ["ORBIT", "Question", "Answer"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tab: Any, faults: Any, tmp_path: Path, scheme: str) -> None:
    with serve({**LIBRARY, "pages": {"questions": ["Why?"]}, "guard": {}}, tmp_path, PLUGINS) as server:
        page = tab(color_scheme=scheme, reduced_motion="reduce")
        enter(page, server, "wrong")
        page.get_by_role("alert").wait_for()
        assert faults(page) == []
        page.get_by_label("API key").fill(server.key)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Why?").wait_for()
        assert faults(page) == []
        ask(page, "When?")
        page.get_by_role("button", name="Copy the answer").wait_for()
        page.locator("summary").first.click()
        ask(page, "forbidden")
        page.locator(".remark").wait_for()
        page.route("**/chat", lambda route: route.abort())
        ask(page, "Hello?")
        page.get_by_role("button", name="Try again").wait_for()
        assert faults(page) == []


def test_the_theme_can_be_chosen(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        page = tab(color_scheme="light")
        enter(page, server)
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        light = page.evaluate(ground)
        page.get_by_role("button", name="Switch to dark colours").click()
        dark = page.evaluate(ground)
        assert dark != light
        page.reload()
        page.get_by_role("button", name="Switch to light colours").wait_for()
        assert page.evaluate(ground) == dark


def test_a_phone_shows_it_without_scrolling_sideways(tab: Any, faults: Any, tmp_path: Path) -> None:
    table = f"|{'|'.join(['wide column'] * 20)}|\n|{'|'.join(['-'] * 20)}|\n"
    wide = f"{'a' * 300} {MARKDOWN}\n```\n{'b ' * 300}\n```\n{table}"
    with serve({**LIBRARY, "says": {"text": wide}}, tmp_path, PLUGINS) as server:
        page = tab(**PHONE)
        asked(page, server, "x" * 300)
        page.locator("summary").nth(1).click()
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["viewport"]["width"]  # type: ignore[index]
        assert faults(page) == []
        box = page.get_by_role("textbox", name="Your question").bounding_box()
        assert box["y"] + box["height"] <= 800
