"""The conversations of the chat page: several of them, questions that are asked again or changed, and what is kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_kit import ask, asked, enter

from orbit.testing import serve

WAIT_MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve({"echo": {}}, tmp_path_factory.mktemp("chat")) as running:
        yield running


def answered(page: Any, count: int) -> None:
    """Wait until there are so many answers."""
    for _ in range(WAIT_MILLISECONDS // 50):
        if page.locator(".turn").count() == count:
            break
        page.wait_for_timeout(50)
    assert page.locator(".turn").count() == count
    page.locator(".turn").nth(count - 1).get_by_role("button", name="Copy the answer").wait_for()


def texts(page: Any) -> list[str]:
    """The questions on the page."""
    found: list[str] = page.locator(".asked").all_inner_texts()
    return found


def remembered(page: Any, server: Any, number: int = -1) -> list[str]:
    """The questions that the server remembers of a conversation of the page."""
    kept = json.loads(page.evaluate("sessionStorage.getItem('orbit-conversations')"))
    path = f"{server.url}/chat/sessions/{kept['all'][number]['session']}"
    answer = httpx.get(path, headers={"X-API-Key": server.key}, timeout=20).json()
    return [turn["text"] for turn in answer.get("turns", [])[::2]]


def test_a_new_conversation_keeps_the_one_before(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, "First subject")
    page.get_by_role("button", name="New conversation").click()
    page.get_by_text("What would you like to know?").wait_for()
    ask(page, "Second subject")
    answered(page, 1)
    page.get_by_role("button", name="Conversations", exact=True).click()
    dialog = page.get_by_role("dialog", name="Conversations")
    assert dialog.locator(".title").all_inner_texts() == ["Second subject", "First subject"]
    dialog.get_by_role("button", name="First subject").first.click()
    page.locator(".asked", has_text="First subject").wait_for()
    assert texts(page) == ["First subject"]
    ask(page, "More of it")
    answered(page, 2)
    assert remembered(page, server, 0) == ["First subject", "More of it"]
    page.reload()
    answered(page, 2)
    assert texts(page) == ["First subject", "More of it"]


def test_a_conversation_is_deleted_after_a_question(tab: Any, server: Any, eventually: Any) -> None:
    page = tab()
    asked(page, server, "To be deleted")
    assert remembered(page, server) == ["To be deleted"]
    session = json.loads(page.evaluate("sessionStorage.getItem('orbit-conversations')"))["all"][0]["session"]
    page.get_by_role("button", name="Conversations", exact=True).click()
    delete = page.get_by_role("button", name="Delete the conversation To be deleted")
    delete.click()
    page.get_by_role("button", name="Cancel").click()
    assert remembered(page, server) == ["To be deleted"]
    delete.click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("What would you like to know?").wait_for()
    path = f"{server.url}/chat/sessions/{session}"
    eventually(lambda: httpx.get(path, headers={"X-API-Key": server.key}).status_code == 404)
    eventually(lambda: page.get_by_role("dialog").count() == 0)
    page.reload()
    page.get_by_text("What would you like to know?").wait_for()
    assert texts(page) == []


def test_a_question_is_asked_again(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, "One")
    ask(page, "Two")
    answered(page, 2)
    page.get_by_role("button", name="Ask again").nth(1).click()
    page.locator(".waiting").wait_for(state="detached")
    answered(page, 2)
    assert remembered(page, server) == ["One", "Two"]

    page.get_by_role("button", name="Ask again").first.click()  # what comes after it would be lost
    page.get_by_role("dialog").get_by_text("the question after it will be removed").wait_for()
    page.get_by_role("button", name="Cancel").click()
    assert texts(page) == ["One", "Two"]
    page.get_by_role("button", name="Ask again").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Ask again").click()
    answered(page, 1)
    assert remembered(page, server) == ["One"]


def test_a_question_is_changed(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, "One")
    ask(page, "Tow")
    answered(page, 2)
    ask(page, "Three")
    answered(page, 3)
    box = page.get_by_role("textbox", name="Your question")
    box.fill("A draft")
    page.get_by_role("button", name="Edit the question").nth(1).click()
    assert box.input_value() == "Tow"
    page.get_by_text("the question after it will be removed").wait_for()
    page.keyboard.press("Escape")
    assert box.input_value() == "A draft"
    assert texts(page) == ["One", "Tow", "Three"]
    page.get_by_role("button", name="Edit the question").nth(1).click()
    box.fill("Two")
    box.press("Enter")
    answered(page, 2)
    assert texts(page) == ["One", "Two"]
    assert box.input_value() == "A draft"
    assert remembered(page, server) == ["One", "Two"]
    page.reload()
    answered(page, 2)
    ask(page, "Three")
    answered(page, 3)
    assert remembered(page, server) == ["One", "Two", "Three"]


def test_twenty_five_long_turns_come_back_whole(tab: Any, server: Any) -> None:
    """Together they are larger than the storage of a tab, which holds five million characters."""
    page = tab()
    asked(page, server, "0")
    # As the page keeps them: nobody types that much in a test.
    page.evaluate(
        """async () => {
            const script = document.querySelector('script[type=module]').src;
            const { Conversations } = await import(new URL('conversations.js', script));
            const conversations = new Conversations();
            await conversations.load();
            const words = Array.from({ length: 1300 }, (_, number) => number * number).join(' ');
            for (let turns = 1; turns < 25; turns++) {
                const turn = conversations.add(`${turns}`, [], '');
                turn.answer = `Answer ${turns}`;
                turn.sources = Array.from({ length: 30 }, (_, number) => (
                    { number: number + 1, title: `Source ${turns}-${number}`, source: 'a.txt', text: words, score: 0.5 }
                ));
                turn.state = 'done';
                await conversations.save(turn);
            }
        }"""
    )
    page.reload()
    page.locator(".turn").nth(24).wait_for()
    assert texts(page) == [str(number) for number in range(25)]
    assert page.locator(".answer > .prose").all_inner_texts() == ["0", *(f"Answer {number}" for number in range(1, 25))]
    assert page.locator(".turn").nth(1).locator(".sources li").count() == 30
    assert page.locator(".turn").nth(1).locator("blockquote").last.text_content().endswith(str(1299**2))
    ask(page, "And one more")
    answered(page, 26)


def test_the_oldest_turns_make_room_for_new_ones(tab: Any, server: Any) -> None:
    page = tab()
    asked(page, server, "0")
    kept = page.evaluate(
        """async () => {
            sessionStorage.setItem('filler', 'x'.repeat(5_000_000));
            const script = document.querySelector('script[type=module]').src;
            const { Conversations } = await import(new URL('conversations.js', script));
            const conversations = new Conversations();
            for (let number = 0; number < 12; number++) {
                const turn = conversations.add(String(number), [], '');
                turn.answer = String.fromCharCode(...crypto.getRandomValues(new Uint8Array(60_000)));
                turn.state = 'done';
                await conversations.save(turn);
            }
            const again = new Conversations();
            await again.load();
            return again.turns.map(({ question, answer }) => [question, answer.length]);
        }"""
    )
    assert 1 < len(kept) < 12
    assert kept == [[str(number), 60_000] for number in range(12 - len(kept), 12)]


def test_a_conversation_that_is_left_while_it_is_answered_is_kept_until_it_is_deleted(
    tab: Any, eventually: Any, tmp_path: Path
) -> None:
    with serve({"script": {"words": -1, "delay": 0.02}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "One")
        page.get_by_text("word2").wait_for()
        page.get_by_role("button", name="New conversation").click()
        script = server.provider("script")
        eventually(lambda: script.running == 0)
        ask(page, "Two")
        page.get_by_text("word2").wait_for()
        page.get_by_role("button", name="Conversations", exact=True).click()
        page.get_by_role("button", name="Delete the conversation Two").click()
        page.get_by_role("button", name="Delete", exact=True).click()
        eventually(lambda: script.running == 0)
        page.locator(".history .entry", has_text="One").click()
        page.locator(".remark", has_text="You stopped this answer.").wait_for()
        assert "word0 word1 word2" in page.locator(".answer > .prose").inner_text()
        names = page.evaluate("Object.keys(sessionStorage)")
        assert len([name for name in names if name.startswith("orbit-turn-")]) == 1
