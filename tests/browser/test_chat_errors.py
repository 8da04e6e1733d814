"""What the chat page tells when a key, a question or a model is refused or fails."""

from pathlib import Path
from typing import Any

from chat_kit import ask, asked, enter

from orbit.auth.keys import new_key
from orbit.database.budgets import Budgets
from orbit.database.keys import ApiKey, KeyChanges
from orbit.testing import RunningServer, serve


def test_a_wrong_key_is_told_and_the_right_one_can_follow(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        page = tab()
        for wrong in ("orbit_wrong", "schlüssel™"):
            enter(page, server, wrong)
            page.get_by_role("alert").get_by_text("The server does not accept this key.").wait_for()
            assert page.evaluate("document.activeElement.id") == "key"
        page.get_by_label("API key").fill(f" {server.key} ")
        page.keyboard.press("Enter")
        page.get_by_role("textbox", name="Your question").wait_for()
        assert page.evaluate("document.activeElement.id") == "question"


def test_a_key_that_ends_is_asked_for_again_and_the_conversation_stays(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "auth": {"cache_seconds": 0}}, tmp_path) as server:
        page = tab()
        asked(page, server, "Before")
        database = server.services.database
        key = next(iter(server.call(database.list_keys())))
        server.call(database.update_key(key.id, KeyChanges(active=False)))
        ask(page, "After")
        page.get_by_text("The server does not accept your key any more.").wait_for()
        secret, record = new_key("another")
        server.call(database.create_key(record))
        page.get_by_role("button", name="Enter another key").click()
        page.get_by_label("API key").fill(secret)
        page.keyboard.press("Enter")
        assert page.locator(".asked").all_inner_texts() == ["Before", "After"]
        ask(page, "Again")
        page.get_by_role("button", name="Copy the answer").nth(1).wait_for()


def test_a_blocked_question_is_answered_by_the_refusal(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "guard": {"word": "bomb"}}, tmp_path) as server:
        page = tab()
        asked(page, server, "How is a bomb made?")
        assert page.locator(".answer > .prose").inner_text() == "I cannot help with that request."
        assert page.locator(".remark").inner_text() == "This was stopped by the rules of this server."


def test_an_error_in_the_middle_keeps_the_text_and_is_told(tab: Any, tmp_path: Path) -> None:
    with serve({"script": {"words": 9, "fail_after": 3, "delay": 0.01}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "Hello")
        alert = page.get_by_role("alert").get_by_text("The answer is not complete. The model could not answer.")
        alert.wait_for()
        assert page.locator(".answer > .prose").inner_text() == "word0 word1 word2"
        page.reload()
        page.get_by_text("The model could not answer.").wait_for()
        assert page.locator(".answer > .prose").inner_text() == "word0 word1 word2"
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("alert").wait_for()
        assert page.locator(".turn").count() == 1


def test_errors_are_sentences(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {"fail": True}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "Hello")
        page.get_by_role("alert").get_by_text("The document search is not available.").wait_for()
        assert (
            page.get_by_role("button", name="Try again in 1 s")
            .or_(page.get_by_role("button", name="Try again"))
            .count()
        )
    ask(page, "Are you there?")
    page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()


def test_a_question_that_is_too_long_can_be_changed(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "limits": {"max_message_chars": 20}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "A question that is much too long")
        page.get_by_role("alert").get_by_text("20").wait_for()
        page.get_by_role("button", name="Change the question").click()
        box = page.get_by_role("textbox", name="Your question")
        assert box.input_value() == "A question that is much too long"
        assert page.locator(".turn").count() == 0
        box.fill("A short one")
        box.press("Enter")
        page.get_by_role("button", name="Copy the answer").wait_for()


def test_an_answer_of_nothing_is_told(tab: Any, tmp_path: Path) -> None:
    with serve({"script": {"words": 0}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "Hello")
        page.get_by_role("alert").get_by_text("The model gave no answer.").wait_for()


def asks_twice(page: Any, server: RunningServer, made: tuple[str, ApiKey]) -> None:
    """Ask two questions with a new key, of which the first is answered."""
    secret, record = made
    server.call(server.services.database.create_key(record))
    enter(page, server, secret)
    ask(page, "One")
    page.get_by_role("button", name="Copy the answer").wait_for()
    ask(page, "Two")


def test_a_key_with_a_limit_is_told_how_long_to_wait(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        page = tab()
        asks_twice(page, server, new_key("limited", requests_per_minute=1))
        page.get_by_role("alert").get_by_text("Too many questions were asked with this key. Ask again in").wait_for()
        assert page.get_by_role("button", name="Try again in").is_disabled()


def test_a_key_with_a_budget_is_told_when_it_resets(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        page = tab()
        asks_twice(page, server, new_key("client", budgets=Budgets(requests_per_month=1)))
        page.get_by_role("alert").get_by_text("its budget of 1 requests a month. It resets on 20").wait_for()
        assert page.get_by_role("button", name="Try again").is_enabled()


def test_a_server_that_remembers_nothing_says_so(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "sessions": {"enabled": False}}, tmp_path) as server:
        page = tab()
        asked(page, server)
        page.get_by_text("This server does not remember earlier questions.").wait_for()
