"""Encodings of text files: Unicode first, then the declared one, then a guess that is named."""

# ruff: noqa: RUF001  # other scripts are the point

import pytest

from orbit.documents.formats.encoding import decode
from orbit.documents.reading.readers import read
from orbit.documents.sections import UnreadableError

GERMAN = "Name;Preis\nMüller Größe;5 €\n"
CZECH = "Příliš žluťoučký kůň úpěl ďábelské ódy. Zítra bude pršet."


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    "text", ["plain words", "naïve café 東京 🙂", "休暇の申請は七日以内、経理部へ。", "휴가 신청은 일주일 안에"]
)
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


@pytest.mark.parametrize("declared", ["undefined", "idna", "punycode", "hex", "a\0b"])
def test_what_a_file_declares_may_be_no_encoding_of_files(declared):
    assert decode(GERMAN.encode("cp1252"), declared).text == GERMAN


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


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "1 €"),
        ("cp1252", "L’été à Noël, où ça ? Œuvre"),
        ("cp1252", "¿Qué pasa mañana en España? ¡Sí!"),
        ("cp1252", "São Paulo não é a capital"),
        ("cp1252", "Håndbog på dansk: smørrebrød"),
        ("cp1252", "Þjóðvegur á Íslandi, veður og færð"),
        ("cp1252", "Größe 5 m², 20 °C, 5 µm ±1 ½"),
        ("cp1250", "Nazwa;Cena\nŁódź żółta;5\nŚwięta;7"),
        ("iso8859_2", "Nazwa;Cena\nŁódź żółta;5\nŚwięta;7"),
        ("cp1250", "Árvíztűrő tükörfúrógép"),
        ("cp852", "Zażółć gęślą jaźń"),
        ("mac_roman", "déjà vu, l’été, français"),
        ("cp1254", "İstanbul’da güneşli bir gün, şişe ve çiğ köfte"),
        ("cp1257", "Rīgā šodien ļoti skaista diena"),
        ("cp1251", "Цена: 5"),
        ("cp1251", "Привіт світ, ціни на їжу"),
        ("cp866", "Привет мир, это письмо"),
        ("mac_cyrillic", "Привет мир, это письмо о ценах на товары"),
        ("iso8859_5", "Привет мир, это письмо о ценах"),
        ("cp1255", "שלום עולם, זה מכתב על מחירים"),
        ("cp1256", "مرحبا بالعالم هذه رسالة عن الأسعار"),
        ("iso8859_6", "مرحبا بالعالم هذه رسالة عن الأسعار"),
        ("cp874", "สวัสดีชาวโลก นี่คือจดหมาย"),
        ("cp949", "안녕하세요 세계, 이것은 편지입니다"),
        ("big5", "名稱,價格\n茶葉,5\n咖啡,7\n"),
        ("gb18030", "产品名称,单价,数量\n苹果,3,4\n香蕉,5,6\n"),
        ("cp932", "価格表 税込"),
        ("gb18030", "城市,人口\n北京,300\n上海,400\n"),
        ("cp1251", "Компания;Город\nРешение;Казань\n"),
    ],
)
def test_short_texts_in_many_languages(encoding, text):
    found = decode(text.encode(encoding))
    assert found.text == text
    assert "which is a guess" in found.warnings[0]


def test_what_says_it_is_utf_8_and_is_not_is_guessed():
    found = read("a.html", "<meta charset=utf-8><p>Größe für Übung".encode("cp1252"))
    assert found.sections[0].text == "Größe für Übung"
    assert found.warnings == ("The file is not in UTF-8, as it says. It is read as windows-1252, which is a guess.",)


def test_lines_in_another_encoding_do_not_spoil_the_others():
    found = decode("Müller;5 €\nŁódź;7\n".encode() + "Schröder;8 €\n".encode("cp1252"))
    assert found.text == "Müller;5 €\nŁódź;7\nSchröder;8 €\n"
    assert found.warnings == ("The text is UTF-8, but for 1 line that is not: read as windows-1252, which is a guess.",)
    most = decode("Straße\nGebühr\n".encode("cp1252") + "Größe\n".encode())
    assert most.text == "Straße\nGebühr\nGröße\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("iso2022_jp", "見積書 3 月"), ("iso2022_jp_2", "東京 café"), ("iso2022_kr", "계약서 3 월")],
)
@pytest.mark.parametrize("declared", [True, False])
def test_letters_that_are_ascii_after_a_sign_are_read(encoding, text, declared):
    content = f"plain, then {text}".encode(encoding)
    if encoding != "iso2022_jp_2" or declared:
        assert decode(content, encoding if declared else "").text == f"plain, then {text}"


def test_colours_of_a_terminal_are_no_letters():
    assert decode(b"\x1b[31mred\x1b[0m \x1b(B").text == "\x1b[31mred\x1b[0m \x1b(B"


def test_a_mail_from_japan_is_read():
    body = "見積もりを送ります。".encode("iso2022_jp")
    mail = b"From: a@b.jp\nSubject: x\nContent-Type: text/plain; charset=ISO-2022-JP\n\n" + body
    assert "見積もりを送ります。" in read("a.eml", mail).sections[0].text


def test_a_page_from_japan_is_read():
    page = '<meta charset="iso-2022-jp"><p>見積もり'.encode("iso2022_jp")
    assert read("a.html", page).sections[0].text == "見積もり"


def test_a_stray_nul_does_not_make_a_text_binary():
    found = read("a.csv", b"Name,Price\nApples,3\nPe\x00ars,4\n")
    assert [section.text for section in found.sections] == ["Name: Apples\nPrice: 3", "Name: Pears\nPrice: 4"]
    assert found.warnings == ("NUL characters are left out of the text.",)


def test_the_euro_sign_of_latin_9_is_one():
    text = "Die Gebühr für die Prüfung beträgt 5 €, für Schüler 3 €."
    assert decode(text.encode("iso8859-15")).text == text
    assert decode(text.encode("cp1252")).text == text


@pytest.mark.parametrize("text", ["Größe ±5 und sü", "Müller", "20 °C, 5 µm"])
def test_a_short_text_that_ends_within_a_letter_is_utf_8(text):
    found = decode(f"Maße, {text}".encode() + "ß".encode()[:1])
    assert found.text == f"Maße, {text}\ufffd"
    assert "is UTF-8 with mistakes" in found.warnings[0]


@pytest.mark.parametrize(("encoding", "text"), [("utf-7", "Größe 5 € + 3"), ("hz-gb-2312", "中文合同 5")])
def test_old_encodings_in_ascii_are_read_where_they_are_declared(encoding, text):
    mail = f"From: a@b.c\nSubject: x\nContent-Type: text/plain; charset={encoding}\n\n".encode() + text.encode(encoding)
    assert text in read("a.eml", mail).sections[0].text
    assert decode(text.encode(encoding)).text == text.encode(encoding).decode("ascii")


def test_the_mark_of_utf_7_declares_it():
    assert decode(b"+/v8-" + "Größe".encode("utf-7")).text == "Größe"
