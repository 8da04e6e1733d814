"""The language of a text, told by its commonest words."""

from __future__ import annotations

import pytest

from orbit.chat.search.languages import is_foreign, knows, language_of

QUESTIONS = {
    "en": "How many days of leave do I have?",
    "de": "Wie viele Urlaubstage stehen mir im Jahr zu?",
    "fr": "À combien de jours de vacances ai-je droit ?",
    "es": "¿Cuántos días libres me corresponden en el año?",
    "it": "Quanti giorni di ferie sono previsti per un anno?",
    "pt": "Quantos dias de férias são previstos para um ano?",
    "nl": "Hoeveel vakantiedagen heb ik in een jaar?",
    "pl": "Ile dni urlopu mam w roku i kto o nie wnioskuje?",
    "tr": "Bir yılda kaç gün iznim var ve kim onaylar?",  # noqa: RUF001  # Turkish
}


@pytest.mark.parametrize("language", QUESTIONS)
def test_common_words_tell_a_language(language: str) -> None:
    assert language_of(QUESTIONS[language]) == language


@pytest.mark.parametrize("text", ["", "?!", "E12345", "Сколько отпускных дней мне положено?", "我一年有多少天假期?"])
def test_others_are_unknown(text: str) -> None:
    assert language_of(text) == ""


def test_a_model_knows_its_languages_wholly_and_others_by_half() -> None:
    assert [knows(QUESTIONS["en"], of) for of in ((), ("en",), ("de", "en"), ("de",))] == [1, 1, 1, 0.5]


ENGLISH = "The port is 3000, on this machine (127.0.0.1). Change it with `general.port` in the configuration."
TABLE = "| setting | default |\n|---|---|\n| `port` | `3000` |"


@pytest.mark.parametrize(
    "question", ["Auf welchem Port lauscht der Server?", "¿En qué puerto escucha?", "Какой порт слушает сервер?"]
)
def test_passages_in_another_language_are_foreign(question: str) -> None:
    assert is_foreign(question, ENGLISH)
    assert is_foreign(ENGLISH, question)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("Which port does the server listen on?", ENGLISH),
        ("orbit serve port", ENGLISH),  # of no language that the words tell
        ("3000", ENGLISH),
        ("Auf welchem Port lauscht der Server?", TABLE),  # a table has no language
        ("Auf welchem Port lauscht der Server?", "Der Server lauscht auf Port 3000, und nur auf diesem."),
        ("Какой порт слушает сервер?", "Сервер слушает порт 3000."),
        ("どのポートですか", "標準待受番号三千番"),  # scripts of one language
        ("Auf welchem Port lauscht der Server?", ""),
        ("Какой порт слушает сервер?", "3000"),
        ("", ENGLISH),
    ],
)
def test_a_passage_in_the_question_s_language_or_too_little_to_tell_is_not_foreign(question: str, passage: str) -> None:
    assert not is_foreign(question, passage)


def test_a_long_text_needs_fewer_common_words() -> None:
    row = "Ventil Pumpe Motor Lager Welle Filter Dichtung "
    assert language_of(f"{row}der die in ") == language_of(f"{row * 2}{row}der die in ") == "de"
    assert language_of(f"{row * 2}der die") == ""
