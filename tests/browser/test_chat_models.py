"""What models do beyond text on the chat page: a choice of models, thoughts, tools and pictures."""

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from chat_kit import ask, asked, enter

import orbit
from orbit.auth.keys import new_key
from orbit.testing import serve


class Mind(orbit.Provider):
    """Thinks, calls a tool if it is asked to, and says how many pictures of which size it sees."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        model: str = "seer"
        supports: tuple[orbit.Capability, ...] = ()

    settings: Settings

    @orbit.hookimpl
    async def models(self) -> list[orbit.Model]:
        return [orbit.Model(self.settings.model, supports=frozenset(self.settings.supports))]

    @orbit.hookimpl
    async def generate(
        self, question: str, messages: Sequence[orbit.Message], options: orbit.GenerateOptions
    ) -> AsyncIterator[orbit.Chunk]:
        yield orbit.Chunk(reasoning="First <b>this</b>,\n")
        yield orbit.Chunk(reasoning="then that.")
        if options.tools and "tool" in question and messages[-1].role != "tool":
            yield orbit.Chunk(
                tool_calls=(orbit.ToolCall("c1", "weather", '{"city":"Bonn"}'),), finish_reason="tool_calls"
            )
            return
        sizes = [
            "x".join(map(str, struct.unpack(">II", part.data[16:24])))
            if part.media_type == "image/png"
            else part.media_type
            for message in messages
            for part in message.parts
            if isinstance(part, orbit.Image)
        ]
        yield orbit.Chunk(f"{self.settings.model} sees {', '.join(sizes) or 'nothing'}.", "stop")


class Sky(orbit.Provider):
    """Knows the weather."""

    @orbit.hookimpl
    async def tools(self) -> list[orbit.Tool]:
        return [orbit.Tool("weather", "The weather of a city", {"type": "object"})]

    @orbit.hookimpl
    async def call_tool(self, call: orbit.ToolCall) -> orbit.ToolResult:
        return orbit.ToolResult(f"Rain <i>in</i> {json.loads(call.arguments)['city']}")


SIZE = "image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])"
CONFIG = {
    "seer": {"model": "seer", "supports": ["images", "tools"]},
    "plain": {"model": "plain"},
    "sky": {},
    "models": {"default": "seer", "seer": {"provider": "seer"}, "plain": {"provider": "plain"}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serve(CONFIG, tmp_path_factory.mktemp("chat"), {"seer": Mind, "plain": Mind, "sky": Sky}) as running:
        yield running


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def answers(page: Any, count: int) -> list[str]:
    """The answers, once there are so many."""
    page.locator(".turn").nth(count - 1).get_by_role("button", name="Copy the answer").wait_for()
    found: list[str] = page.locator(".answer > .prose").all_inner_texts()
    return found


def attach(page: Any, *sizes: tuple[int, int]) -> None:
    files = [
        {"name": f"{width}x{height}.png", "mimeType": "image/png", "buffer": png(width, height)}
        for width, height in sizes
    ]
    page.locator("#files").set_input_files(files)
    page.locator("#pictures img").nth(len(sizes) - 1).wait_for()


def test_the_model_can_be_chosen_where_there_are_several(tab: Any, server: Any, faults: Any) -> None:
    page = tab()
    enter(page, server)
    choice = page.get_by_role("combobox", name="Model")
    choice.wait_for()
    assert choice.locator("option").all_inner_texts() == ["seer", "plain"]
    ask(page, "Who?")
    assert answers(page, 1) == ["seer sees nothing."]
    choice.select_option("plain")
    assert page.get_by_role("button", name="Attach pictures").is_hidden()
    ask(page, "Who?")
    assert answers(page, 2)[1] == "plain sees nothing."
    assert page.locator(".model").all_inner_texts() == ["seer", "plain"]
    assert faults(page) == []
    page.reload()
    choice.wait_for()
    assert choice.input_value() == "plain"


def test_a_key_with_one_model_has_no_choice(tab: Any, server: Any) -> None:
    secret, record = new_key("one", models=("plain",))
    server.call(server.services.database.create_key(record))
    page = tab()
    enter(page, server, secret)
    ask(page, "Who?")
    assert answers(page, 1) == ["plain sees nothing."]
    assert page.get_by_role("combobox", name="Model").is_hidden()


def test_thoughts_are_folded(tab: Any, server: Any, faults: Any) -> None:
    page = tab()
    asked(page, server, "Who?")
    thoughts = page.locator(".thought")
    assert not thoughts.is_visible()
    page.get_by_text("Thoughts", exact=True).click()
    assert thoughts.inner_text() == "First <b>this</b>,\nthen that."
    assert faults(page) == []
    page.reload()
    page.get_by_text("Thoughts", exact=True).wait_for()
    assert not thoughts.is_visible()
    assert page.locator(".answer > .prose").inner_text() == "seer sees nothing."


def test_calls_of_tools_show_arguments_and_results(tab: Any, server: Any, faults: Any) -> None:
    page = tab()
    asked(page, server, "Use a tool.")
    call = page.locator(".tools-used details")
    assert call.count() == 1
    assert not call.get_by_text("Rain").is_visible()
    call.get_by_text("Called weather").click()
    assert call.locator("pre").all_inner_texts() == ['{\n  "city": "Bonn"\n}', "Rain <i>in</i> Bonn"]
    page.get_by_text("Thoughts", exact=True).click()
    each = "First <b>this</b>,\nthen that."
    assert page.locator(".thought").inner_text() == f"{each}\n\n{each}"
    assert faults(page) == []
    page.reload()
    page.get_by_text("Called weather").wait_for()


def test_pictures_are_attached_shown_and_sent(tab: Any, server: Any, faults: Any) -> None:
    page = tab(viewport={"width": 390, "height": 800})
    enter(page, server)
    page.get_by_role("button", name="Attach pictures").wait_for()
    attach(page, (30, 20), (40, 10))
    assert faults(page) == []
    page.get_by_role("button", name="Remove 40x10.png").click()
    ask(page, "What is it?")
    assert answers(page, 1) == ["seer sees 30x20."]
    assert page.locator(".pictures img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 30
    assert page.locator("#pictures img").count() == 0
    ask(page, "And its colour?")  # the picture is still what it is about
    assert answers(page, 2)[1] == "seer sees 30x20."
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.reload()
    assert answers(page, 2)[1] == "seer sees 30x20."
    assert page.locator(".pictures img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 30
    page.get_by_role("button", name="Edit the question").first.click()
    page.locator("#pictures img").wait_for()


def test_a_picture_alone_is_a_question_and_large_ones_are_made_smaller(tab: Any, server: Any) -> None:
    page = tab()
    enter(page, server)
    page.get_by_role("button", name="Attach pictures").wait_for()
    attach(page, (3200, 1600))
    page.get_by_role("button", name="Ask", exact=True).click()
    assert answers(page, 1) == ["seer sees image/jpeg."]
    assert page.locator(".pictures img").evaluate(SIZE) == [1568, 784]
    assert page.locator(".asked").count() == 0


def test_pictures_are_pasted_and_dropped(tab: Any, server: Any) -> None:
    page = tab()
    enter(page, server)
    page.get_by_role("button", name="Attach pictures").wait_for()
    give = """(element, [kind, event, name, type, data]) => {
        const transfer = new DataTransfer();
        const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
        const init = { bubbles: true, cancelable: true };
        element.dispatchEvent(kind === 'paste'
            ? new ClipboardEvent(event, { ...init, clipboardData: transfer })
            : new DragEvent(event, { ...init, dataTransfer: transfer }));
    }"""
    picture = base64.b64encode(png(8, 8)).decode()
    box = page.get_by_role("textbox", name="Your question")
    box.evaluate(give, ["paste", "paste", "a.png", "image/png", picture])
    page.locator("#pictures img").wait_for()
    page.locator("#welcome").evaluate(give, ["drop", "drop", "b.png", "image/png", picture])
    page.locator("#pictures img").nth(1).wait_for()
    box.evaluate(give, ["paste", "paste", "c.txt", "text/plain", picture])
    page.locator("#pictures").get_by_text("c.txt is not a picture.").wait_for()
    box.evaluate(give, ["paste", "paste", "d.png", "image/png", base64.b64encode(b"no picture").decode()])
    page.locator("#pictures").get_by_text("This browser cannot read d.png.").wait_for()
    page.get_by_role("combobox", name="Model").select_option("plain")
    box.evaluate(give, ["paste", "paste", "e.png", "image/png", picture])
    page.locator("#pictures").get_by_text("This model cannot see pictures.").wait_for()
