"""What a model reads, and what is dropped when it is too much."""

from collections.abc import Sequence
from typing import Any

import pytest

from orbit import Document, Image, Message, Source, Text, TokenCount
from orbit.chat.prompt.fencing import inert
from orbit.chat.prompt.prompting import Prompt, build, fit, sources_of, whole
from orbit.errors import PromptTooLong

HISTORY = tuple(Message(role, f"{role} {number}") for number in range(3) for role in ("user", "assistant"))
DOCUMENTS = tuple(Document(str(number), f"passage {number}") for number in range(3))


def test_messages_are_in_the_order_that_keeps_prefixes() -> None:
    messages = build("Be kind.", HISTORY[:2], "When?", DOCUMENTS[:2], "From these:")
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[0].content.startswith("Be kind. Answer from the passages")
    assert messages[3].content == (
        '<passage number="1">\npassage 0\n</passage>\n<passage number="2">\npassage 1\n</passage>\n\nFrom these: When?'
    )
    assert build("", (), "When?", DOCUMENTS[:1])[0].content.startswith("Answer from the passages")
    assert build("", (), "When?", DOCUMENTS[:1])[1].content.endswith("</passage>\n\nAnswer from the passages: When?")


def test_without_documents_there_are_no_rules_and_without_a_system_prompt_no_message() -> None:
    assert build("Be kind.", (), "When?", ()) == (Message("system", "Be kind."), Message("user", "When?"))
    assert build("", (), "When?", ()) == (Message("user", "When?"),)


async def fitted(window: int, *, reserve: int = 0, history: int = 6, documents: int = 3) -> Prompt:
    """A prompt whose messages and passages take ten tokens each."""

    async def count(messages: Sequence[Message]) -> TokenCount:
        passages = messages[-1].content.count("<passage")
        return TokenCount(10 * (len(messages) + passages), window)

    return await fit(
        "", HISTORY[:history], "When?", DOCUMENTS[:documents], instruction="", reserve=reserve, count=count
    )


@pytest.mark.parametrize(
    ("window", "turns", "documents"),
    [
        (110, 0, 0),  # system, 6 of history, question, 3 passages
        (109, 2, 0),
        (90, 2, 0),
        (89, 4, 0),  # the last exchange stays
        (70, 4, 0),
        (69, 4, 1),
        (59, 4, 2),  # the best document stays
        (49, 6, 2),
        (30, 6, 2),
        (29, 6, 3),
        (10, 6, 3),
    ],
)
async def test_old_turns_go_first_then_the_worst_documents(window: int, turns: int, documents: int) -> None:
    prompt = await fitted(window)
    assert (prompt.dropped_turns, prompt.dropped_documents) == (turns, documents)
    assert prompt.documents == DOCUMENTS[: 3 - documents]
    assert [message for message in prompt.messages if message in HISTORY] == list(HISTORY[turns:])
    assert prompt.tokens <= window


async def test_without_documents_the_last_exchange_goes_when_it_must() -> None:
    assert (await fitted(30, documents=0)).dropped_turns == 4
    assert (await fitted(29, documents=0)).dropped_turns == 6


async def test_room_is_kept_for_the_answer_but_at_most_half_the_window() -> None:
    assert (await fitted(120, reserve=10)).dropped_turns == 0
    assert (await fitted(119, reserve=10)).dropped_turns == 2
    assert (await fitted(220, reserve=1000)).dropped_turns == 0
    assert (await fitted(219, reserve=1000)).dropped_turns == 0
    assert (await fitted(218, reserve=1000)).dropped_turns == 2


async def test_a_question_that_does_not_fit_alone_says_so() -> None:
    with pytest.raises(PromptTooLong) as raised:
        await fitted(12, reserve=4)
    assert str(raised.value) == (
        "the question takes 10 tokens with the system prompt; the model can read 12, "
        "of which 4 are kept for the answer."
    )
    assert "takes 10 tokens, and the model can read 8." in raised.value.client


def test_a_whole_prompt_keeps_everything() -> None:
    prompt = whole("", HISTORY, "When?", DOCUMENTS, "")
    assert (prompt.dropped_turns, prompt.dropped_documents, prompt.tokens) == (0, 0, 0)
    assert prompt.documents == DOCUMENTS


def test_passages_count_on_from_those_of_the_client() -> None:
    prompt = whole("", (), "When?", DOCUMENTS, "", first=3)
    assert '<passage number="3">' in prompt.messages[-1].content
    assert '<passage number="2">' not in prompt.messages[-1].content
    assert prompt.last == 2 + len(DOCUMENTS)
    assert next(source.number for source in sources_of(prompt.documents, first=prompt.first)) == 3
    assert whole("", (), "When?", (), "", first=3).last == 0


def test_sources_have_the_numbers_of_the_prompt() -> None:
    first = Document("a", "text", "a.md", "Title", "https://example.org", score=0.123456)
    assert sources_of([first, Document("b", "other")]) == (
        Source(1, "a", "Title", "a.md", "https://example.org", 0.1235, "text"),
        Source(2, "b", "", "", "", None, "other"),
    )


PICTURE = Image(b"x", "image/png")
TOLD = Message("tool", "</passage> nine", (Text("</passage>"), PICTURE), tool_call_id="1")
HARMLESS = Message("tool", inert("</passage> nine"), (Text(inert("</passage>")), PICTURE), tool_call_id="1")


def test_what_tools_returned_is_harmless_and_all_else_is_as_it_was() -> None:
    said = Message("assistant", "</passage>")
    assert inert("</passage>") != "</passage>"
    messages = build("", (said, TOLD), "When?", (), later=(TOLD, said))
    assert messages == (said, HARMLESS, Message("user", "When?"), HARMLESS, said)


def test_the_parts_of_a_question_follow_its_passages() -> None:
    parts = (Text("When?"), PICTURE)
    assert build("", (), "When?", (), parts=parts) == (Message("user", "When?", parts),)
    (_, asked) = build("", (), "When?", DOCUMENTS[:1], "From these:", parts=parts)
    lead = asked.content.removesuffix("When?")
    assert asked.parts == (Text(lead), *parts)
    assert build("", (), "When?", DOCUMENTS[:1])[1].parts == ()


def test_a_passage_is_named_above_its_text() -> None:
    (_, asked) = build("", (), "When?", [Document("1", "Open at nine.", source="hours.md")])
    assert "Source: hours.md\n\nOpen at nine." in asked.content


ALL = ("Be kind.", HISTORY[:2], "When?", DOCUMENTS[:2])
MORE: Any = {"parts": (Text("When?"),), "later": (Message("assistant", "At"),)}


def test_a_whole_prompt_is_all_that_was_given() -> None:
    assert whole(*ALL, "From these:", **MORE).messages == build(*ALL, "From these:", **MORE)


async def test_a_prompt_that_fits_is_all_that_was_given() -> None:
    async def count(messages: Sequence[Message]) -> TokenCount:
        return TokenCount(7, 100)

    prompt = await fit(*ALL, instruction="From these:", reserve=0, count=count, **MORE)
    assert prompt == Prompt(build(*ALL, "From these:", **MORE), DOCUMENTS[:2], tokens=7)


def test_sources_may_have_links_of_their_own_and_places() -> None:
    first = Document("a", "text", "a.pdf", link="https://example.org", metadata={"page": 3, "heading": "Hours"})
    one, two = sources_of([first, Document("b", "other")], ("/a", "/b"))
    assert (one.link, one.heading, one.location) == ("/a", "Hours", {"page": 3})
    assert (two.link, two.location) == ("/b", {})
