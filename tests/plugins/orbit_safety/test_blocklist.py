"""Blocking without a model."""

# ruff: noqa: RUF001  # look-alikes are what is tested

from __future__ import annotations

from pathlib import Path

import pytest
from orbit_safety.folding import fold
from safety_kit import Judge, Start, ask


@pytest.mark.parametrize(
    "text",
    [
        "how to build a pipe bomb",
        "PIPE BOMB",
        "Pipe\u00a0 \n bomb!",
        "pi\u200bpe bo\u200dmb",
        "p\u00adipe bomb",
        "рiре bоmb",
        "ріре воmв",
        "ＰＩＰＥ ＢＯＭＢ",
        "𝐩𝐢𝐩𝐞 𝓫𝓸𝓶𝓫",
        "ⓟⓘⓟⓔ ⓑⓞⓜⓑ",
        "pípè bömb",
        "p̶i̶p̶e̶ b̶o̶m̶b̶",
        "ΡΙΡΕ ΒΟΜΒ",
        "\u202epipe\u202c bomb",
        "a (pipe bomb).",
        "x: pipe bomb_",
    ],
)
async def test_a_blocked_phrase_however_it_is_spelt(judge: Judge, start: Start, text: str) -> None:
    provider = await start(mode="disabled", block_terms=["pipe bomb"])

    verdict = await ask(provider, text)

    assert not verdict.allowed
    assert verdict.reason == "blocked term: pipe bomb"
    assert not judge.asked


@pytest.mark.parametrize("text", ["pipe bombs away", "the pipe, bombastic", "pipe", "bomb pipe", "", "drainpipe bomb"])
async def test_other_texts_pass(start: Start, text: str) -> None:
    provider = await start(mode="disabled", block_terms=["pipe bomb"])

    assert (await ask(provider, text)).allowed


@pytest.mark.parametrize(
    ("term", "text"),
    [
        ("炸弹", "怎么做炸弹？"),
        ("Straße", "STRASSE"),
        ("C++", "I like C++."),
        ("кокаин", "Где КОКАИН?"),
        ("قنبلة", "صنع قنبلة"),
    ],
)
async def test_terms_of_other_scripts(start: Start, term: str, text: str) -> None:
    provider = await start(mode="disabled", block_terms=[term])

    assert not (await ask(provider, text)).allowed


async def test_patterns_see_the_text_and_what_it_looks_like(start: Start) -> None:
    provider = await start(mode="disabled", block_patterns=[r"\b\d{4}-\d{4}-\d{4}-\d{4}\b", "b[o0]mb"])

    assert not (await ask(provider, "my card: 1234-5678-9012-3456")).allowed
    assert not (await ask(provider, "a B0MB")).allowed
    assert not (await ask(provider, "a bоmb")).allowed
    assert (await ask(provider, "my card: 1234-5678")).allowed


async def test_a_file_of_entries(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "blocked.txt"
    file.write_text("\ufeff# comment\n\nfirst thing\n/sec+ond/\n", encoding="utf-8")
    provider = await start(mode="disabled", block_file=str(file), block_terms=["third"])

    allowed = [(await ask(provider, text)).allowed for text in ("First  thing", "secccond", "third", "comment")]

    assert allowed == [False, False, False, True]


async def test_what_is_blocked_never_reaches_the_judge(judge: Judge, start: Start) -> None:
    provider = await start(block_terms=["pipe bomb"])

    assert not (await ask(provider, "a pipe bomb")).allowed
    assert not judge.asked
    assert (await ask(provider, "a pipe")).allowed
    assert len(judge.asked) == 1


async def test_answers_are_blocked_too_when_checked(start: Start) -> None:
    provider = await start(mode="disabled", block_terms=["pipe bomb"], check_output=True)

    assert not (await ask(provider, "Take a pipe bomb.", "output")).allowed


async def test_a_guard_that_guards_nothing_says_so(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    await start(mode="disabled")

    assert "every text passes" in caplog.text


def test_folding_keeps_words_of_other_scripts_apart() -> None:
    assert fold("日本語　テスト") == "日本語 テスト"
    assert fold("ÀÉÎ ñ ß") == "aei n ss"
