"""What Open WebUI puts before a question is read by the model, but not searched for."""

from __future__ import annotations

import pytest
from actor_kit import turn

from orbit.chat.search.typed_question import as_typed, brings_passages, brought_passages, typed
from orbit.types import Message

FILES = '<attached_files>\n<file type="image" url="/api/v1/files/1"/>\n</attached_files>\n\n'
PASSAGES = (
    "### Task:\nRespond to the user query using the provided context.\n\n### Output:\nA clear response.\n\n"
    '<context>\n<source id="1">Say </context> at the end.</source>\n</context>\n\n'
)


@pytest.mark.parametrize("before", ["", FILES, PASSAGES, PASSAGES + FILES, FILES + PASSAGES])
def test_what_a_page_puts_before_a_question_is_not_searched_for(before: str) -> None:
    history = (Message("user", before + "How much?"), Message("assistant", FILES))
    asked = turn(before + "What does a ticket cost?", history=history)
    found = as_typed(asked)
    assert typed(asked.question) == found.question == "What does a ticket cost?"
    assert [message.content for message in found.history] == ["How much?", FILES]
    assert brings_passages(asked) == ("### Task" in before)


@pytest.mark.parametrize(
    ("sources", "count"),
    [
        ("", 0),
        ('<source id="1">a</source>', 1),
        ('<source id="1" name="a">a</source>\n<source id="2">b</source>', 2),
        ('<source id="1">a</source>\n<source id="1">more of a</source>\n<source id="2">b</source>', 2),
        ('<source id="1">it quotes <source id="99"> and <source id="1"></source>', 1),
        ("<source>without a number</source>", 0),
    ],
)
def test_a_page_numbers_its_own_passages(sources: str, count: int) -> None:
    template = f'### Task:\nCite such as <source id="1">.\n\n<context>\n{sources}\n</context>\n\n'
    for question in (template + "Why?", FILES + template + "Why?", template + FILES + 'Why <source id="3">?'):
        assert brought_passages(question) == count
    assert brought_passages(f"Why?\n<context>{sources}</context>") == 0


@pytest.mark.parametrize(
    "question", ["", "Why <attached_files>?", "### Task:\nWrite a poem.", FILES, "<context>a</context> b"]
)
def test_all_other_questions_stay_as_they_are(question: str) -> None:
    assert typed(question) == question
    assert not brings_passages(turn(question))


def test_a_turn_without_anything_before_its_questions_is_the_same() -> None:
    asked = turn("When?", history=(Message("user", "Where?"),))
    assert as_typed(asked) is asked
