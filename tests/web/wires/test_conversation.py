"""Conversations, collected message by message."""

import base64

import pytest

from orbit import Image, Message, Text, Thought, ToolCall
from orbit.web.wires.attachments import BadAttachment
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.conversation import Collector, in_order

CALLS = (ToolCall("a", "weather", "{}"), ToolCall("b", "weather", "{}"))


def test_a_conversation_is_split_at_its_last_question() -> None:
    collector = Collector(fetches=False)
    collector.system("Be brief.", "0")
    collector.user("One?", (), "1")
    collector.answer("Two.", (), "2")
    collector.system("In English.", "3")
    collector.user("Three?", (), "4")
    collector.answer("", CALLS, "5", thoughts=(Thought("hm", "signed"),))
    collector.result("b", "rain", (), "6")
    collector.result("a", "sun", (), "7")
    found = collector.conversation("7")
    assert (found.system, found.attached) == ("Be brief.\n\nIn English.", 0)
    assert found.history == (Message("user", "One?"), Message("assistant", "Two."))
    assert found.question == Message("user", "Three?")
    assert found.later == (
        Message("assistant", "", tool_calls=CALLS, thoughts=(Thought("hm", "signed"),)),
        Message("tool", "rain", tool_call_id="b"),
        Message("tool", "sun", tool_call_id="a"),
    )


def test_an_empty_answer_goes_with_its_question() -> None:
    collector = Collector(fetches=False)
    collector.user("One?", (), "0")
    collector.answer(" ", (), "1", thoughts=(Thought("hm", "signed"),))
    collector.user("Two?", (), "2")
    assert collector.conversation("2").history == ()


def test_calls_and_results_belong_together() -> None:
    collector = Collector(fetches=False)
    collector.user("One?", (), "0")
    with pytest.raises(ParameterError) as stray:
        collector.result("a", "sun", (), "here")
    assert stray.value.param == "here"
    collector.answer("", CALLS, "1")
    collector.result("a", "sun", (), "2")
    with pytest.raises(ParameterError, match="Missing: b"):
        collector.user("Two?", (), "3")
    with pytest.raises(ParameterError, match="Missing: b"):
        collector.conversation("3")


@pytest.mark.parametrize("text", ["", " \n"])
def test_there_must_be_a_question(text: str) -> None:
    collector = Collector(fetches=False)
    collector.user(text, (), "0")
    with pytest.raises(ParameterError, match="a user's question"):
        collector.conversation("0")


def test_images_by_their_address_are_fetched_later_if_at_all() -> None:
    collector = Collector(fetches=True)
    image = collector.image("https://example.org/a.png", "here", "low")
    assert image == Image(b"", "https://example.org/a.png", "low")
    collector.user("", (image,), "0")
    assert collector.conversation("0").remote == (("https://example.org/a.png", "here"),)
    with pytest.raises(BadAttachment, match="fetches no images"):
        Collector(fetches=False).image("https://example.org/a.png", "here")


def test_images_and_files_in_the_request_are_counted() -> None:
    collector = Collector(fetches=True)
    image = base64.b64encode(bytes.fromhex("89504e470d0a1a0a0000000d49484452")).decode()
    collector.image(f"data:image/png;base64,{image}", "here")
    collector.encoded_image(image)
    collector.file("YQ==", "a.txt")
    collector.image("https://example.org/a.png", "here")
    collector.user("One?", (), "0")
    assert collector.conversation("0").attached == len(f"data:image/png;base64,{image}") + len(image) + 4


def test_parts_of_text_alone_are_text() -> None:
    assert in_order([Text("a"), Text("b")]) == ("ab", ())
    parts = (Text("a"), Image(b"x", "image/png"), Text("b"))
    assert in_order(parts) == ("ab", parts)
