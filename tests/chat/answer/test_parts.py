"""The parts of an answer, in order."""

from orbit.chat.answer.parts import AnswerParts, text_of
from orbit.chat.outcome import Answered, Found, ToolStep
from orbit.types import Thought


def test_text_is_joined_between_the_other_parts() -> None:
    parts = AnswerParts()
    step, thought = ToolStep("1", "clock", "running"), Thought("hm")
    for event in ("I ", "look.", step, "", thought, "It is ", Found(()), "nine.", Answered()):
        parts.add(event)
    assert parts.all() == ("I look.", step, thought, "It is nine.")
    assert parts.all() == parts.all()
    assert text_of(parts.all()) == "I look.It is nine."
    assert AnswerParts().all() == ()
