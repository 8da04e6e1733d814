"""Encodings of text files: Unicode first, then the declared one, then a guess that is named."""

# ruff: noqa: RUF001  # other scripts are the point

import pytest

from orbit.documents.encoding import decode
from orbit.documents.readers import read
from orbit.documents.sections import UnreadableError

GERMAN = "Name;Preis\nMüller Größe;5 €\n"
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Zítra bude pršet."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", ["plain words", "naïve café 東京 🙂"])
def test_unicode_needs_no_guess(text, encoding):
    found = decode(text.encode(encoding))
    assert (found.text, found.warnings) == (text, ())


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (GERMAN, "cp1252", "windows-1252"),
        ("Crème brûlée à la façon de l’école", "cp1252", "windows-1252"),
        ("café", "cp1252", "windows-1252"),
        ("plain “quoted” – text for 5 €", "cp1252", "windows-1252"),
        (CZECH, "cp1250", "windows-1250"),
        ("Zażółć gęślą jaźń. Święta w Łodzi.", "cp1250", "windows-1250"),
        ("Größe, Fülle und Übermaß", "cp850", "cp850"),
        ("Привет, это короткий текст о гавани.", "cp1251", "windows-1251"),
        ("Привет, это короткий текст о гавани.", "koi8-r", "koi8_r"),
        ("Καλημέρα κόσμε, αυτό είναι ένα κείμενο", "cp1253", "cp1253"),
        ("東京の天気は晴れです。明日は雨でしょう。", "cp932", "Shift_JIS"),
        ("東京の天気は晴れです。明日は雨でしょう。", "euc-jp", "euc_jp"),
        ("北京的天气很好，明天可能会下雨。", "gb18030", "gb18030"),
    ],
)
def test_a_guess_is_named(text, encoding, name):
    found = decode(text.encode(encoding))
    assert found.text == text
    assert name in found.warnings[0]


def test_a_declared_encoding_needs_no_guess_and_unicode_goes_before_it():
    assert decode(CZECH.encode("cp852"), "cp852").text == CZECH
    assert not decode(CZECH.encode("cp852"), "cp852").warnings
    assert decode(CZECH.encode(), "cp852").text == CZECH
    assert decode(GERMAN.encode("cp1252"), "no such thing").text == GERMAN


def test_a_mistake_in_utf_8_is_no_other_encoding():
    found = decode("Größe und Übermaß, Äpfel, Öl, Füße".encode() + b"\xff!")
    assert found.text.endswith("Füße\ufffd!")
    assert "is UTF-8 with mistakes" in found.warnings[0]


def test_letters_and_their_accents_are_one_character():
    assert decode("Cafe\u0301".encode()).text == "Café"
    assert read("a.html", "<p>Cafe\u0301".encode()).sections[0].text == "Café"


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\0\0\0\0\0\x03\0>\0", b"abc\0def", bytes(range(256)) * 9])
def test_binary_files_are_refused(content):
    with pytest.raises(UnreadableError, match="is binary, not text"):
        decode(content)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html"])
def test_every_text_format_warns_of_a_guess(name):
    assert "windows-1252" in read(name, GERMAN.encode("cp1252")).warnings[0]
