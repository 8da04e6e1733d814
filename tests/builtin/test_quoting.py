"""The part of a passage that a quotation shows: sentences of any language, whole rows, items and blocks of code."""

from __future__ import annotations

import pytest

from orbit.builtin.quoting import Passage, flowing, quotations, units_of


def best_part(question: str, text: str, longest: int) -> list[str]:
    return [unit for part in quotations(question, [Passage("", text)], longest, 1) for unit in part.units]


LANGUAGES = {
    "English": (
        "Dr. Smith opens at 9.30 a.m. on Mondays. The surgery is closed in August! Is there parking? Yes, for 3 cars.",
        ["Dr. Smith opens at 9.30 a.m. on Mondays. ", "The surgery is closed in August! ", "Is there parking? "],
        "Where can I park my car?",
        "Is there parking? Yes, for 3 cars.",
    ),
    "German": (
        "Die Praxis öffnet um 8.30 Uhr, z. B. montags. Am 3. Oktober bleibt sie zu. Anträge gehen an Nr. 7.",
        ["Die Praxis öffnet um 8.30 Uhr, z. B. montags. ", "Am 3. Oktober bleibt sie zu. ", "Anträge gehen an Nr. 7."],
        "An wen schicke ich den Antrag?",
        "Anträge gehen an Nr. 7.",
    ),
    "Chinese": (
        "图书馆周一至周五开放。周日闭馆!逾期归还每天罚款两角。",
        ["图书馆周一至周五开放。"],
        "逾期要罚款多少?",
        "逾期归还每天罚款两角。",
    ),
    "Japanese": (
        "図書館は平日に開いています。「日曜は休みです。」と書いてあります。延滞料は一日二十円です。",
        ["図書館は平日に開いています。"],
        "延滞料はいくらですか",
        "延滞料は一日二十円です。",
    ),
    "Arabic": (
        "يفتح المكتب الساعة التاسعة. هل يوجد موقف؟ نعم، أمام المبنى. الإجازة ثلاثون يوما في السنة.",
        ["يفتح المكتب الساعة التاسعة. ", "هل يوجد موقف؟ "],
        "كم يوما من الإجازة؟",
        "الإجازة ثلاثون يوما في السنة.",
    ),
    "Hindi": (
        "कार्यालय नौ बजे खुलता है। रविवार को बंद रहता है। कर्मचारियों को तीस दिन की छुट्टी मिलती है।",
        ["कार्यालय नौ बजे खुलता है। ", "रविवार को बंद रहता है। "],
        "कितने दिन की छुट्टी मिलती है?",
        "कर्मचारियों को तीस दिन की छुट्टी मिलती है।",
    ),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_a_language(language: str) -> None:
    text, sentences, question, answer = LANGUAGES[language]
    units = units_of(text)
    assert "".join(units) == text
    assert units[: len(sentences)] == sentences
    assert "".join(best_part(question, text, max(map(len, [*units, answer])))) == answer


TABLE = "| part | price |\n|---|---|\n| A-100 | 7 EUR |\n| B-200 | 9 EUR |\n| C-300 | 11 EUR |\n"


@pytest.mark.parametrize("form", ["{} | {} | {}\n", "|{}|{}|{}|\n"])
@pytest.mark.parametrize("number", [3, 31, 61, 88])
def test_a_row_is_found_however_far_it_is_from_the_names_of_its_columns(form: str, number: int) -> None:
    rows = [("Screw", "Steel", "Alu"), *((f"HA{n}", 3 * n + 1, 2 * n + 5) for n in range(1, 90))]
    table = "".join(form.format(*row) for row in rows)
    found = quotations(f"What is the Alu torque of screw HA{number}?", [Passage("Torques", table)], 300, 1)
    quoted = "".join(found[0].units)
    assert form.format(*rows[0]) in quoted
    assert form.format(*rows[number]) in quoted


def test_a_row_comes_with_the_head_of_its_table() -> None:
    assert "".join(best_part("What does C-300 cost?", TABLE, 20)) == (
        "| part | price |\n|---|---|\n| C-300 | 11 EUR |\n"
    )


def test_code_and_list_items_are_whole() -> None:
    code = "```sh\npip install orbit\n# then. Start it\norbit serve\n```\n"
    text = f"Install it.\n\n{code}\n- The port is 3000. It is fixed.\n- Ctrl-C ends it.\n"
    units = units_of(text)
    assert "".join(units) == text
    assert code in units
    assert "- The port is 3000. It is fixed.\n" in units
    assert best_part("How do I install orbit with pip?", text, 60)[0].startswith("```sh")


def test_a_short_text_is_quoted_whole() -> None:
    assert "".join(best_part("anything", "One. Two. Three.", 100)) == "One. Two. Three."


@pytest.mark.parametrize("text", ["", "\n\n", "```", "a" * 5_000, "|\n|\n|\n", ". . . .\n. ", "1. 2. 3.\n4. "])
def test_odd_texts_lose_nothing(text: str) -> None:
    assert "".join(units_of(text)) == text
    part = "".join(best_part("question?", text, 50))
    assert part in text or text.startswith("|")


ANSWERS = [
    Passage("Guide > Trains", "Trains leave from the north station. A ticket costs 4 euros.", 0.6),
    Passage("Guide > Where do buses leave?", "From the market, every ten minutes.", 0.6),
    Passage("Guide > Museums", "The museum is closed on Mondays.", 0.3),
]


def test_a_heading_may_ask_the_question() -> None:
    first = quotations("Where do the buses leave?", ANSWERS, 500, 3)[0]
    assert first.units == ("From the market, every ten minutes.",)


def test_a_question_for_a_number_prefers_a_text_with_one() -> None:
    passages = [Passage("", "The ticket has a price that depends on age."), Passage("", "The ticket is 4 euros.")]
    assert [part.place for part in quotations("Is there a ticket?", passages, 500, 1)] == [0]
    for question in ("How much is a ticket?", "Combien vaut le ticket ?", "Wie viel ist ein Ticket?"):
        assert [part.place for part in quotations(question, passages, 500, 1)] == [1]


def test_a_question_for_a_setting_prefers_a_text_that_names_one() -> None:
    passages = [Passage("", "The limit of uploads can be changed."), Passage("", "`max_upload` limits uploads.")]
    assert quotations("Which setting limits uploads?", passages, 500, 1)[0].place == 1


def test_similar_headings_count() -> None:
    passages = [Passage("Rules", "Ask the crew."), Passage("Vacation", "Ask the office.", likeness=0.6)]
    assert quotations("leave", passages, 500, 1)[0].place == 1


def test_others_are_quoted_if_they_fit_almost_as_well() -> None:
    close = [Passage("", "The ferry takes 40 minutes.", 0.8), Passage("", "The ferry takes 50 minutes in winter.", 0.8)]
    far = Passage("", "Lunch is at noon, and the kitchen closes at two.", 0.1)
    places = [part.place for part in quotations("How long does the ferry take?", [*close, far], 500, 3)]
    assert sorted(places) == [0, 1]
    assert len(quotations("How long does the ferry take?", [*close, far], 500, 1)) == 1


def test_a_heading_that_asks_the_same_in_other_words_needs_none_of_the_question() -> None:
    first = Passage("Crossing", "The ferry takes 40 minutes across.", 0.2)
    for likeness, count in ((0.55, 2), (0.45, 1)):
        other = Passage("Sailing time", "Boats sail for 40 minutes.", 1.0, likeness)
        assert len(quotations("How long does the ferry take across?", [other, first], 500, 3)) == count


def test_nothing_is_quoted_twice() -> None:
    passages = [Passage("A", "The ferry takes 40 minutes."), Passage("B", "The ferry takes 40 minutes")]
    assert len(quotations("How long does the ferry take?", passages, 500, 3)) == 1


def test_an_item_goes_on_in_its_indented_lines() -> None:
    text = "1. Stop the server.\n   Wait for it.\n2. Copy the folder.\n"
    assert units_of(text) == ["1. Stop the server.\n   Wait for it.\n", "2. Copy the folder.\n"]


LONG = "A line of a paragraph that its author broke for its length"
FLOWS = {
    "a paragraph": (f"{LONG},\nand goes on here. Then\nit ends.", f"{LONG}, and goes on here. Then\nit ends."),
    "sentences": (f"{LONG}.\nThe next sentence.", f"{LONG}. The next sentence."),
    "a sentence that begins late": (f"{LONG}. Then\nit goes on.", f"{LONG}. Then it goes on."),
    "an item": (f"- {LONG}\n  and its rest\n- next\n", f"- {LONG} and its rest\n- next\n"),
    "an address": ("Town Hall\n1 Main Street\n12345 Town\n", "Town Hall\n1 Main Street\n12345 Town\n"),
    "paragraphs": (f"{LONG}.\n\nAnother one.", f"{LONG}.\n\nAnother one."),
    "a break that is meant": (f"{LONG}  \nand a new line", f"{LONG}  \nand a new line"),
    "a table": (f"| {LONG} | 1 |\n| b | 2 |\n", f"| {LONG} | 1 |\n| b | 2 |\n"),
    "code": (f"```\n{LONG}\nx\n```\n", f"```\n{LONG}\nx\n```\n"),
    "a list after text": (f"{LONG}:\n- one\n- two\n", f"{LONG}:\n- one\n- two\n"),
    "Chinese": ("图" * 60 + "\n书馆。", "图" * 60 + "书馆。"),
    "Japanese": ("あ" * 59 + "、\nい。", "あ" * 59 + "、い。"),
    "Thai": ("ก" * 60 + "\nข", "ก" * 60 + "ข"),
    "Russian": ("я" * 60 + "\nи дальше.", "я" * 60 + " и дальше."),
    "an accent": (f"{LONG}, así\nde largo.", f"{LONG}, así de largo."),
    "quotation marks": (f"“{LONG}”\nand goes on.", f"“{LONG}” and goes on."),
    "a space at the end": (f"{LONG} \nand goes on.", f"{LONG} and goes on."),
    "text after code": (f"```\n{LONG}\n```\nText.", f"```\n{LONG}\n```\nText."),
}


@pytest.mark.parametrize(("text", "shown"), FLOWS.values(), ids=FLOWS)
def test_the_lines_of_a_paragraph_are_joined(text: str, shown: str) -> None:
    assert "".join(flowing(units_of(text))) == shown
