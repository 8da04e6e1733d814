"""Answers held to a JSON schema: in form whatever the model would rather say."""

import contextlib
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


@pytest.mark.parametrize(
    "color",
    [{"allOf": [{"$ref": "#/$defs/Color"}], "description": "As pydantic writes it."}, {"allOf": [{"enum": [7]}]}],
)
async def test_one_schema_in_allof_stands_for_itself(tiny: Any, color: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"color": color}, "required": ["color"], "additionalProperties": False}
    answer = json.loads(await tiny.text("Which?", json_schema=schema | {"$defs": {"Color": {"enum": [7, 7.5]}}}))
    assert answer["color"] in (7, 7.5)


async def test_a_range_without_its_bounds(tiny: Any) -> None:
    schema = {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 6}
    assert json.loads(await tiny.text("How many?", json_schema=schema)) in (4, 5)


@pytest.mark.parametrize(
    ("bounds", "fits"),
    [
        ({"minimum": 1200}, lambda number: number >= 1200),
        ({"maximum": -7}, lambda number: number <= -7),
        ({"exclusiveMinimum": 99, "maximum": 5000}, lambda number: 99 < number <= 5000),
        ({"minimum": -3, "exclusiveMaximum": 0}, lambda number: -3 <= number < 0),
        ({"minimum": 0.25, "maximum": 0.3}, lambda number: 0.25 <= number <= 0.3),
        ({"minimum": 0, "maximum": 1}, lambda number: 0 <= number <= 1),
    ],
)
@pytest.mark.parametrize("kind", ["integer", "number", ["number", "null"]])
async def test_numbers_keep_to_their_bounds(tiny: Any, bounds: dict[str, Any], fits: Any, kind: Any) -> None:
    if kind == "integer" and bounds.get("minimum") == 0.25:
        bounds = {"minimum": 0.25, "maximum": 1.3}
        fits = (1).__eq__
    for seed in range(4):
        schema = {"type": "array", "items": {"type": kind, **bounds}, "minItems": 2, "maxItems": 2}
        answer = json.loads(await tiny.text("How many?", json_schema=schema, temperature=1.5, seed=seed))
        for number in answer:
            assert number is None or fits(number), answer


@pytest.mark.parametrize("anything", [True, {}, {"title": "Extra", "default": None}, {"$comment": "whatever"}])
async def test_a_schema_that_excludes_nothing_fits_any_value(tiny: Any, anything: Any) -> None:
    named = {"type": "object", "properties": {"extra": anything}, "required": ["extra"], "additionalProperties": False}
    kinds = set()
    for seed in range(12):
        text = await tiny.text("What?", json_schema=named, temperature=2.0, seed=seed, max_tokens=400)
        with contextlib.suppress(ValueError):  # it may be cut
            kinds.add(type(json.loads(text)["extra"]))
    assert kinds - {dict}
    listed = {"type": "array", "items": anything, "maxItems": 1}
    assert await tiny.text("Which?", json_schema=listed, max_tokens=9)


async def test_a_schema_without_sense_is_refused_and_harms_nobody(tiny: Any) -> None:
    with pytest.raises(orbit.ProviderError, match="JSON schema") as caught:
        await tiny.text("Hello?", json_schema={"$ref": "#/nowhere"})
    assert caught.value.kind == "rejected"
    assert await tiny.text("Hello?", max_tokens=3)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string", "pattern": r"^\d{3}$"}, "llama.cpp cannot parse"),
        ({"enum": []}, "llama.cpp cannot parse"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "below its minimum"),
        ({"type": "number", "minimum": 5, "exclusiveMaximum": 5}, "below its minimum"),
        ({"type": "integer", "exclusiveMinimum": 0.5, "maximum": 0.75}, "below its minimum"),
        ({"allOf": [{"const": 1}, {"enum": [1, 2]}]}, "joins values by allOf"),
        ({"type": "string", "maxLength": 3000}, "llama.cpp cannot parse"),
        ({"type": "string", "minLength": 400_000}, "too large"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 5000, "maxItems": 60_000}, "too large"),
        ({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(2000)}}, "cannot be converted"),
    ],
)
async def test_a_schema_beyond_llama_cpp_is_the_senders_to_mend(
    tiny: Any, capfd: pytest.CaptureFixture[str], schema: dict[str, Any], said: str
) -> None:
    with pytest.raises(orbit.ProviderError, match=said) as caught:
        await tiny.text("Hello?", json_schema=schema, max_tokens=9)
    assert caught.value.kind == "rejected"
    assert await tiny.text("Hello?", max_tokens=3)
    assert tiny.provider.metrics()["restarts_total"] == 0
    assert capfd.readouterr() == ("", "")
