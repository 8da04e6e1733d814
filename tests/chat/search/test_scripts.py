"""How much of a text is written in scripts that an embedding model knows."""

import pytest

from orbit.chat.search.scripts import script_of, share


@pytest.mark.parametrize(
    ("text", "scripts", "expected"),
    [
        ("Where is the harbour?", {"LATIN"}, 1.0),
        ("أين الميناء؟", {"LATIN"}, 0.0),
        ("أين الميناء؟", {"ARABIC"}, 1.0),
        ("港口 ab", {"LATIN"}, 0.5),
        ("港口", {"CJK"}, 1.0),
        ("naïve Ölçü", {"LATIN"}, 1.0),
        ("12:30, 42 %", {"LATIN"}, 1.0),
        ("", {"LATIN"}, 1.0),
        ("Где гавань?", set(), 1.0),
    ],
)
def test_the_share_of_letters(text: str, scripts: set[str], expected: float) -> None:
    assert share(text, scripts) == expected


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Где гавань? Quay 3", "CYRILLIC"),
        ("Where is гавань?", "LATIN"),
        ("港口在哪里?", "CJK"),
        ("12:30", ""),
        ("", ""),
    ],
)
def test_the_script_of_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script
