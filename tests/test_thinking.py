"""Splitting answers from thoughts: every tag, however the text is cut into pieces."""

from __future__ import annotations

import itertools

import pytest

from orbit import Thinking, ThinkingSplitter

ANSWER = "The **answer** is <b>11</b> [1]."
TAGGED = [
    "<think>plan</think>",
    " \n<think>\nplan\n</think>\n\n",
    "<thinking>plan</thinking>\n",
    "<Thinking>plan</Thinking>\n",
    "<thought>plan</thought>",
    "<seed:think>plan</seed:think>",
    "<longcat_think>plan</longcat_think>\n",
    "<antThinking>plan</antThinking>\n",
    "<inner_monologue>plan</inner_monologue>",
    "<internal_monologue>plan</internal_monologue>\n",
    "<reasoning>plan</reasoning>\n",
    "[THINK]plan[/THINK]",
    "◁think▷plan◁/think▷",
    '<think type="deep">plan</think>\n',
    "<think level=3>plan</think>",
    "<|begin_of_thought|>plan<|end_of_thought|>\n",
    "<|START_THINKING|>plan<|END_THINKING|>",
    "<|channel>thought\nplan<channel|>",
    "<deepthink>plan</deepthink>",
    "<think:opensource>plan</think:opensource>\n<answer:opensource>",
    "<REASONING_SCRATCHPAD>plan</REASONING_SCRATCHPAD>\n",
    "<chain_of_thought>plan</chain_of_thought>\n",
    "<think >plan</think >",
    "<think>plan<\uff5cend▁of▁thinking\uff5c>",
    "<|think|>plan<|/think|>",
    "<|think|>\nplan<|endthink|>\n",
    "<|think|>plan</|think|>",
    "<|think|>plan<channel|>",
    "<|think|>plan<|end|><|begin|>assistant<|content|>",
    "<|thought|>plan<|/thought|>",
    "<|think:start|>plan<|think:end|>",
    "<|thinking_start|>plan<|thinking_end|>",
    "<|begin_think|>plan<|end_think|>",
    "<|plamo:begin_think:plamo|>plan<|plamo:end_think:plamo|>",
    "<\uff5cbegin▁of▁thinking\uff5c>plan<\uff5cend▁of▁thinking\uff5c>",
    "<\uff5cend▁of▁thinking\uff5c>",
    "<|content_thinking|>plan<|content_text|>",
    "<|im_start|>think\nplan<|im_start|>answer\n",
    "[unused16]plan[unused17]",
    "<think>plan</think>\n\n<response>\n",
    "<|START_THINKING|>plan<|END_THINKING|><|START_TEXT|>",
    '<details type="reasoning" done="true" duration="5">\n<summary>Thought for 5 s</summary>\n> plan\n</details>\n',
    "<details open type=reasoning>plan <details>x</details> y</details>\n",
    "<details>\n<summary>Thinking…</summary>\nplan\n</details>\n\n",
    "<analysis>\nplan with <analysis>x</analysis>\n</analysis>\n",
    "```think\nplan:\n```py\nx\n```\nand `y` ```\nz\n```\n\n",
    "```thinking\nplan\n```\n<think>more</think>\n",
    "Here is my thought process: plan\n\nHere is my response: ",
    "Here's my thought process:\n\nplan\nHere's my response:\n",
    "<think>plan with a < b, [x] and </b> and </thinking></think>\n",
    "<think></think>\n\n<think>plan</think>",
    "<think>plan</think>\n<think>more of the plan</think>",
    "</think>\n\n",
    "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|start|>assistant<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>",
    "analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel|>analysis<|message|>plan<|end|>\n",
    "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|><|channel|>final<|message|>",
    "analysisThe plan.assistantfinal",
]


def split(pieces: list[str], splitter: ThinkingSplitter | None = None, *, cut: bool = False) -> tuple[str, str]:
    """Return the answer and the thoughts of a whole text."""
    splitter = splitter or ThinkingSplitter()
    answers, thoughts = zip(*[splitter.add(piece) for piece in pieces], splitter.rest(cut=cut), strict=True)
    return "".join(answers), "".join(thoughts)


def cuts(text: str) -> list[list[str]]:
    """Return a text cut in two at every position, and into single characters and pairs of them."""
    halves = [[text[:at], text[at:]] for at in range(len(text) + 1)]
    return [*halves, list(text), [text[at : at + 2] for at in range(0, len(text), 2)]]


@pytest.mark.parametrize("tagged", TAGGED)
def test_thoughts_are_no_part_of_the_answer(tagged: str) -> None:
    for pieces in cuts(tagged + ANSWER):
        answer, thoughts = split(pieces)

        assert answer == ANSWER, pieces
        assert ("plan" in thoughts) == ("plan" in tagged), pieces


def test_three_cuts_at_any_positions() -> None:
    text = "<think>a</think>\nb"
    for first, second in itertools.combinations(range(len(text)), 2):
        assert split([text[:first], text[first:second], text[second:]])[0] == "b"


@pytest.mark.parametrize(
    "answer",
    [
        *("", " ", "<", "</", "[", "◁", "<|", "<b>bold</b>", "<thinner than air", "[think of it", "<|start|>"),
        *("a <think> b </think>\nc", "Write `<think>` first:\n```\n<think>\n</think>\n```\n"),
        *("analysis", "analysis of the text", "Analysis: yes", "finally"),
        *("The tag </think> ends it.", "Use <|channel|>final<|message|> in the prompt."),
        "<div>\n<think>x</think>\n</div>",
        *(
            "<details>\n<summary>More</summary>\nx\n</details>\ny",
            "<details><summary>Thinking fast</summary>x</details>",
        ),
        *("x\n<analysis>\ny\n</analysis>\nz", "<analyses>a</analyses>"),
        *("```text\nx\n```\ny", "x\n```think\ny\n```\nz", "```reasoning-tests\nx\n```\n", "``"),
        *(
            "Here is my thought process: all.",
            "Here is my response: x",
            "here's my",
            "x <|think|>y<|/think|>z",
            "<|x|>",
        ),
        *("</details>\nx", "x\n</details>\n", "[unused99]"),
    ],
)
def test_what_only_resembles_a_thought_stays(answer: str) -> None:
    for pieces in cuts(answer):
        assert split(pieces) == (answer, "")
        assert split(pieces, Thinking().splitter("m")) == (answer, "")


@pytest.mark.parametrize(
    "text",
    [
        *("<think>hmm", "[THINK]hmm [/THIN", "<|channel|>analysis<|message|>hmm", "<think>\n", "<|think|>hmm"),
        *('<details type="reasoning">hmm', '<details type="reasoning">\nhmm\n</details>\n'),
    ],
)
def test_thoughts_without_an_end_are_no_answer(text: str) -> None:
    for pieces in cuts(text):
        assert split(pieces)[0] == ""


@pytest.mark.parametrize("text", ["<thinking>plan</think>\n", "<thought>\nplan\n</think>\n\n"])
def test_a_closing_tag_of_another_name_ends_thoughts_that_no_other_ends(text: str) -> None:
    for pieces in cuts(text + ANSWER):
        assert split(pieces)[0] == ANSWER, pieces
    assert split([text + "more"], cut=True)[0] == ""
    assert split([text + "more</thinking></thought>" + ANSWER])[0].endswith(ANSWER)


@pytest.mark.parametrize("text", ["```thinking\nhmm", "<analysis>hmm", "Here is my thought process:hmm"])
@pytest.mark.parametrize("end", ["", "\n```", "</analysis>"])
def test_a_block_alone_is_the_answer_unless_it_is_cut(text: str, end: str) -> None:
    for pieces in cuts(text + end):
        assert split(pieces)[0] == text + end, pieces
    assert split([text], cut=True) == ("", "hmm")


@pytest.mark.parametrize("text", ["plan\n</think>\n\n", "plan</think>\n", "<think>plan</think>", "plan[/THINK]"])
def test_thoughts_that_the_prompt_opened(text: str) -> None:
    for pieces in cuts(text + ANSWER):
        answer, thoughts = split(pieces, ThinkingSplitter(opened=True))

        assert (answer, thoughts.strip()) == (ANSWER, "plan"), pieces


def test_the_answer_flows_as_it_comes() -> None:
    splitter = ThinkingSplitter()

    assert [splitter.add(piece) for piece in ("<think>a</think>", "b", " <", "c")] == [
        ("", "a"),
        ("b", ""),
        (" <", ""),
        ("c", ""),
    ]


def test_a_final_message_flows_as_it_comes() -> None:
    splitter = ThinkingSplitter()
    splitter.add("<|channel|>final<|message|>")

    assert [splitter.add(piece) for piece in ("b", " <", "c", "<|", "return|>")] == [
        ("b", ""),
        (" ", ""),
        ("<c", ""),
        ("", ""),
        ("", ""),
    ]


def test_a_closing_tag_alone_is_learned() -> None:
    thinking = Thinking()
    text = "I plan.\n</think>\n\n" + ANSWER

    assert "I plan." in split(list(text), thinking.splitter("one"))[0]  # gone before it could be known
    assert split(list(text), thinking.splitter("one"))[0] == ANSWER
    assert "I plan." in split(list(text), thinking.splitter("another"))[0]


@pytest.mark.parametrize("thought", ["Okay, the user wants a sum.", "Hmm... a plan", "The user asks.", "嗯"])
def test_what_begins_like_thoughts_waits_while_the_model_is_unknown(thought: str) -> None:
    for pieces in cuts(f"{thought}</think>\n{ANSWER}"):
        assert split(pieces, Thinking().splitter("m"))[0] == ANSWER, pieces
    for pieces in cuts(thought):
        assert split(pieces, Thinking().splitter("m"))[0] == thought
        assert split(pieces, Thinking().splitter("m"), cut=True)[0] == thought

    thinking = Thinking()
    for _ in range(3):
        assert thinking.splitter("m").add(thought)[0] == ""
        assert split([thought], thinking.splitter("m"))[0] == thought
    assert thinking.splitter("m").add(thought)[0] == thought  # by now it is known that it does not think


def test_what_was_learned_is_unlearned() -> None:
    thinking = Thinking()
    thought = ["plan\n</think>\n", ANSWER]
    split(thought, thinking.splitter("m"))

    assert split([ANSWER], thinking.splitter("m"), cut=True)[0] == ""  # thoughts that used up all tokens
    for _ in range(2):
        for _ in range(2):
            assert split([ANSWER], thinking.splitter("m"))[0] == ANSWER  # it stopped without any thoughts
        assert split(thought, thinking.splitter("m"))[0] == ANSWER  # which does not mean that it never has any
    for _ in range(3):
        assert thinking.splitter("m").add(ANSWER)[0] == ""
        assert split([ANSWER], thinking.splitter("m"))[0] == ANSWER
    assert thinking.splitter("m").add(ANSWER) == (ANSWER, "")


@pytest.mark.parametrize("text", ["I `plan`.\n</think>\n\n", "I plan.</think>\n", "plan<|channel|>final<|message|>"])
def test_a_whole_answer_needs_no_learning(text: str) -> None:
    for pieces in cuts(text + ANSWER):
        assert split(pieces, Thinking().splitter("m", whole=True))[0] == ANSWER


def test_a_tag_in_code_teaches_nothing() -> None:
    thinking = Thinking()
    answer = "Write this:\n```\n</think>\n```\nThat is all."
    for pieces in cuts(answer):
        assert split(pieces, thinking.splitter("m")) == (answer, "")
        assert split(pieces, thinking.splitter("m", whole=True)) == (answer, "")
        assert thinking.splitter("m").add("x") == ("x", "")


def test_a_setting_decides() -> None:
    text = "I plan.\n</think>\n\n" + ANSWER

    assert split(list(text), Thinking(opened=True).splitter("m"))[0] == ANSWER
    never = Thinking(opened=False)
    assert split([text], never.splitter("m", whole=True)) == (text, "")
    assert split([text], never.splitter("m")) == (text, "")


@pytest.mark.parametrize(
    ("prompt", "prefix"),
    [
        ("<|im_start|>assistant\n<think>\n", "\n</think>\n\n"),
        ("[INST]Why?[/INST][THINK]", "\n[/THINK]\n\n"),
        ("<|START_THINKING|>", "\n<|END_THINKING|>\n\n"),
        ("<|im_start|>assistant\n<|think:start|>", "\n<|think:end|>\n\n"),
        ("<|assistant|><|think|>\n", "\n<|/think|>\n\n"),
        ("<|start|>assistant", "<|channel|>final<|message|>"),
        ("<|im_start|>assistant\n", ""),
        ("<think>\n\n</think>\n\n", ""),
        ("Write <think> first.\n<|im_start|>assistant\n", ""),
    ],
)
def test_a_prompt_that_ends_inside_the_thoughts(prompt: str, prefix: str) -> None:
    assert ThinkingSplitter.answer_prefix(prompt) == prefix
    opened = bool(prefix) and not prompt.startswith("<|start|>")
    splitter = ThinkingSplitter.after(prompt)
    assert split(["plan, and no end"], splitter) == (("", "plan, and no end") if opened else ("plan, and no end", ""))
    splitter = ThinkingSplitter.after(prompt)
    assert split([f"plan{prefix}{ANSWER}" if opened else ANSWER], splitter)[0] == ANSWER


def test_the_control_tokens_that_must_stay_in_the_text() -> None:
    known = {"<|im_end|>", "<|end|>", "<|start|>", "[THINK]", "[/THINK]", "[INST]", "<seed:think>"}
    tokens = {"<|think:start|>", "<|think:end|>", "<|begin_of_thought|>", "<|end_of_thought|>"}
    assert ThinkingSplitter.marks({*tokens, "<|im_start|>"}) == tokens
    assert ThinkingSplitter.marks(known) == {"[THINK]", "[/THINK]", "<seed:think>"}
    harmony = {"<|channel|>", "<|message|>", "<|end|>", "<|start|>"}
    assert ThinkingSplitter.marks({*harmony, "<|endoftext|>"}) == harmony


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "text", ["secret</think>Hello world", "It is 4.</think> Hello world", "secret\n</think>\n\nHello world"]
)
def test_an_answer_in_one_piece_with_a_closing_tag_alone(text: str, whole: bool) -> None:
    answer, thoughts = split([text], Thinking().splitter("m", whole=whole))

    assert answer.strip() == "Hello world"
    assert thoughts.strip() in ("secret", "It is 4.")


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "text", ["The tag </think> ends them.", "Write `a</think>b`.", 'The tag "</think>" ends them.']
)
def test_an_answer_in_one_piece_that_mentions_a_closing_tag(text: str, whole: bool) -> None:
    assert split([text], Thinking().splitter("m", whole=whole)) == (text, "")


def test_marks_around_the_whole_answer_after_thoughts_are_removed() -> None:
    thoughts = "<|START_THINKING|>plan<|END_THINKING|>"
    for pieces in cuts(f"{thoughts}<|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>\n"):
        assert split(pieces) == (ANSWER, "plan"), pieces
    for pieces in cuts(f"<think>plan</think>\n<answer>\n{ANSWER}\n</answer>"):
        assert split(pieces) == (ANSWER, "plan"), pieces
    for pieces in cuts(f"{thoughts}<|begin_of_solution|>{ANSWER}<|end_of_solution|>"):
        assert split(pieces) == (ANSWER, "plan"), pieces
    for pieces in cuts(f"{thoughts}<|START_RESPONSE|>{ANSWER}"):
        assert split(pieces, cut=True) == (ANSWER, "plan"), pieces
    for answer in ("<p>Yes.</p>", "<response>Yes.</response> is XML.", "Use <|START_RESPONSE|> and <|END_RESPONSE|>"):
        for pieces in cuts(thoughts + answer):
            assert split(pieces) == (answer, "plan"), pieces


def test_an_answer_without_end_is_not_held_back() -> None:
    splitter = Thinking().splitter("m", whole=True)
    said = [splitter.add("word " * 200)[0] for _ in range(1000)]
    assert sum(map(len, said)) == 1_000_000
    assert splitter.rest() == ("", "")
    splitter = Thinking().splitter("m", whole=True)
    parts = [splitter.add(text) for text in ("Let me see.\n", "hm " * 1000, "</think>\n\n", *["word "] * 100_000)]
    assert "".join(answer for answer, _ in parts).startswith("word word ")
    assert "".join(thoughts for _, thoughts in parts).startswith("Let me see.\nhm hm")


NESTED = [
    "plan\n<think>\nthe plan\n</think>\nmore of it",
    "plan<think>inner</think>more",
    "plan\n<think>a<think>b</think>c</think>\nd",
    "plan with `</think>` in it",
    "plan:\n```\n<think>\nx\n</think>\n```\nwhich is all",
    'plan with "</think>" in it',
    "plan: models write <think>...</think> before it.",
    "plan: the tag <think> opens, and so does <think>, as said",
    "plan with one ` too many",
]


@pytest.mark.parametrize("thought", NESTED)
def test_tags_within_thoughts_do_not_end_them(thought: str) -> None:
    for pieces in cuts(f"<think>{thought}\n</think>\n\n{ANSWER}"):
        assert split(pieces) == (ANSWER, f"{thought}\n"), pieces
    for pieces in cuts(f"{thought}\n</think>\n\n{ANSWER}"):
        assert split(pieces, ThinkingSplitter(opened=True))[0] == ANSWER, pieces


@pytest.mark.parametrize("thought", [thought for thought in NESTED if thought.startswith(("plan\n<", "plan<"))])
def test_a_cut_within_outer_thoughts_shows_none_of_them(thought: str) -> None:
    for pieces in cuts(f"<think>{thought}"):
        assert split(pieces, cut=True) == ("", thought), pieces
    for pieces in cuts(thought):
        assert split(pieces, ThinkingSplitter(opened=True), cut=True) == ("", thought), pieces


@pytest.mark.parametrize(
    "thought",
    [
        "plan\n<think>\nmore of it\n",
        "explain <think>. Yes",
        "x<think>y.",
        "a `<think>` and <think>x",
        "`plan ",
        "```\nplan\n",
    ],
)
@pytest.mark.parametrize("after", ["", "\n", "\n\n"])
def test_a_tag_within_thoughts_that_nothing_closes_does_not_swallow_the_answer(thought: str, after: str) -> None:
    for pieces in cuts(f"<think>{thought}</think>{after}{ANSWER}"):
        assert split(pieces)[0] == ANSWER, pieces
    for pieces in cuts(f"{thought}\n</think>\n{ANSWER}"):
        assert split(pieces, ThinkingSplitter(opened=True))[0] == ANSWER, pieces


@pytest.mark.parametrize(
    "answer",
    [
        "Use `<think>...</think>` around it.",
        "Models write <think>...</think> around it.",
        "Write this:\n```\n<think>\nplan\n</think>\n```\nThat is all.",
        'Some write "<think>" and "</think>".',
    ],
)
def test_an_answer_that_mentions_tags_is_whole_though_its_model_usually_thinks(answer: str) -> None:
    for pieces in cuts(answer):
        thinking = Thinking()
        split(["plan\n</think>\n", ANSWER], thinking.splitter("m"))
        assert split(pieces, thinking.splitter("m"))[0] == answer, pieces
        assert split(["plan\n</think>\n", answer], thinking.splitter("m"))[0] == answer
    for pieces in cuts(f"Okay, so. {answer}"):
        assert split(pieces, Thinking().splitter("m"))[0] == f"Okay, so. {answer}", pieces


def test_thoughts_full_of_tags_cost_no_more_than_others() -> None:
    text = "<think>" + "a<think>b</think>`</think>` " * 40_000 + "</think>Hi"
    assert split([text])[0] == "Hi"
