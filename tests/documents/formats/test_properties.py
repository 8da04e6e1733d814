"""Properties files of Java."""

from __future__ import annotations

from orbit.documents.reading.readers import read


def test_letters_stand_for_their_numbers() -> None:
    text = (
        r"greeting=Gr\u00fc\u00dfe",
        r"path=C:\\user\\u00fcber",
        r"smile=\uD83D\uDE00",
        r"break=a\u000ab",
        r"half=\uD83D",
    )
    (section,) = read("messages_de.properties", "\n".join(text).encode()).sections
    assert section.text.split("\n") == [
        "greeting=Grüße",
        r"path=C:\\user\\u00fcber",
        "smile=😀",
        r"break=a\u000ab",
        "half=\ufffd",
    ]
