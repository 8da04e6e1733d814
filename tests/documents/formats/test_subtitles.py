"""Subtitles: what is said, and nothing of how it is shown."""

from __future__ import annotations

import pytest

from orbit.documents.reading.readers import read


def said(name: str, text: str) -> list[str]:
    (section,) = read(name, text.encode()).sections
    return section.text.split("\n")


def test_times_numbers_and_styles_are_left_out() -> None:
    cues = (
        "1\n00:00:01,000 --> 00:00:03,500\n<i>Welcome</i> to <font color=red>Kiel</font>\n& its harbour.",
        "2\n00:01:00,000 --> 00:01:02,000 X1:40 X2:600\n{\\an8}In 1990",
        "1991",
        "3\n00:02:00,0 --> 00:02:02,0\nx < 5\n",
    )
    text = "\ufeff" + "\n\n".join(cues).replace("\n", "\r\n")
    assert said("a.srt", text) == ["Welcome to Kiel", "& its harbour.", "In 1990", "1991", "x < 5"]


def test_speakers_stay_and_notes_go() -> None:
    blocks = (
        "WEBVTT - Board\nKind: captions",
        "NOTE made by\na program",
        "STYLE\n::cue { color: red }",
        "intro\n00:01.000 --> 00:03.000 align:start\n<v.loud Anna Lee>Fish &amp; chips</v>",
        "00:04.000 --> 00:05.000\n<00:04.200><c.yellow> are</c> <ruby>漢<rt>kan</rt></ruby> NOTE",
    )
    assert said("a.vtt", "\n\n".join(blocks)) == ["Anna Lee: Fish & chips", "are 漢 NOTE"]


def test_a_line_that_stays_on_screen_is_told_once() -> None:
    cues = [("one",), ("one", "two"), ("two", "three"), ("four",), ("one",)]
    text = "WEBVTT\n\n" + "\n\n".join(
        f"00:0{n}.000 --> 00:0{n}.900\n" + "\n".join(lines) for n, lines in enumerate(cues)
    )
    assert said("a.vtt", text) == ["one", "two", "three", "four", "one"]


@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_a_file_without_times_is_text(name: str) -> None:
    assert said(name, "Anna: Hello.\n\nNOTE well: 5 > 3.\n") == ["Anna: Hello.", "NOTE well: 5 > 3."]
