"""The language of a question, told by its commonest words."""

from __future__ import annotations

import pytest

from orbit.chat.search.languages import knows, language_of

QUESTIONS = {
    "en": "How many days of leave do I have?",
    "de": "Wie viele Urlaubstage stehen mir im Jahr zu?",
    "fr": "À combien de jours de vacances ai-je droit ?",
    "es": "¿Cuántos días libres me corresponden en el año?",
    "it": "Quanti giorni di ferie sono previsti per un anno?",
    "pt": "Quantos dias de férias são previstos para um ano?",
    "nl": "Hoeveel vakantiedagen heb ik in een jaar?",
}


@pytest.mark.parametrize("language", QUESTIONS)
def test_common_words_tell_a_language(language: str) -> None:
    assert language_of(QUESTIONS[language]) == language


@pytest.mark.parametrize("text", ["", "?!", "E12345", "Сколько отпускных дней мне положено?", "我一年有多少天假期?"])
def test_others_are_unknown(text: str) -> None:
    assert language_of(text) == ""


def test_a_model_knows_its_languages_wholly_and_others_by_half() -> None:
    assert [knows(QUESTIONS["en"], of) for of in ((), ("en",), ("de", "en"), ("de",))] == [1, 1, 1, 0.5]
