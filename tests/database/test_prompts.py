"""Versions and changes of prompts, whatever keeps them."""

import pytest

from orbit.database.prompts import PromptChanges, SystemPrompt, changed_prompt, next_version


@pytest.mark.parametrize(
    ("version", "following"),
    [("1.0", "1.1"), ("1.9", "1.10"), ("3", "4"), ("v2-beta", "v3-beta"), ("draft", "draft.1"), ("1.0.9", "1.0.10")],
)
def test_the_next_version(version, following):
    assert next_version(version) == following


PROMPT = SystemPrompt("id", "guide", "Be kind.", "1.0", 10.0, 10.0, 3)


@pytest.mark.parametrize(
    ("changes", "name", "text", "version"),
    [
        ({"prompt": "Be brief."}, "guide", "Be brief.", "1.1"),
        ({"prompt": "Be brief.", "version": "7"}, "guide", "Be brief.", "7"),
        ({"name": "leader"}, "leader", "Be kind.", "1.0"),
        ({"version": "7"}, "guide", "Be kind.", "7"),
    ],
)
def test_a_change_makes_the_next_revision(changes, name, text, version):
    assert changed_prompt(PROMPT, PromptChanges(**changes), 20.0) == SystemPrompt(
        "id", name, text, version, 10.0, 20.0, 4
    )


def test_a_change_without_effect_is_none():
    assert changed_prompt(PROMPT, PromptChanges(name="guide", prompt="Be kind."), 20.0) is PROMPT
