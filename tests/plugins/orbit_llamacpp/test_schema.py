"""Answers held to a JSON schema: in form whatever the model would rather say."""

import json
from typing import Any

import pytest

import orbit

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERDICT = {
    "type": "object",
    "properties": {"safe": {"type": "boolean"}, "score": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["safe", "score"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("temperature", [0.0, 1.5])
async def test_even_a_model_that_talks_noise_answers_in_form(tiny: Any, temperature: float) -> None:
    for seed in range(5):
        text = await tiny.text("Is it safe?", json_schema=VERDICT, temperature=temperature, seed=seed, max_tokens=200)
        answer = json.loads(text)
        assert set(answer) == {"safe", "score"}
        assert isinstance(answer["safe"], bool)
        assert 0 <= answer["score"] <= 9


async def test_a_choice_of_words(tiny: Any) -> None:
    schema = {"enum": ["SAFE: true", "SAFE: false"]}
    assert json.loads(await tiny.text("Is it safe?", json_schema=schema)) in schema["enum"]


async def test_a_schema_without_sense_is_refused_and_harms_nobody(tiny: Any) -> None:
    with pytest.raises(orbit.ProviderError, match="JSON schema"):
        await tiny.text("Hello?", json_schema={"$ref": "#/nowhere"})
    assert await tiny.text("Hello?", max_tokens=3)
