"""Mistakes in settings are told in the words of somebody who writes YAML."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from orbit.config.convert import convert_all


class Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    size: int = 1


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    on: bool = False
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    limit: int | None = None
    name: str = ""
    model: Annotated[str, Meta(min_length=1)] = "m"
    code: Annotated[str, Meta(pattern="^[a-z]+$")] = "a"
    root: Annotated[str, Meta(pattern="^/", examples=["/orbit"])] = "/"
    words: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    urls: str | list[str] = ""
    part: Part = Part()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"on": "yes please"}, "on: expected true or false, got text 'yes please'."),
        ({"on": 7}, "on: expected true or false, got the number 7."),
        ({"on": ["a"]}, "on: expected true or false, got a list."),
        ({"count": "many"}, "count: expected a whole number, got text."),
        ({"count": 2.5}, "count: expected a whole number, got the number 2.5."),
        ({"count": 0}, "count: expected a whole number of at least 1, got the number 0."),
        ({"count": 10}, "count: expected a whole number of at most 9, got the number 10."),
        ({"share": 1}, "share: expected a number below 1, got the number 1."),
        ({"share": 0}, "share: expected a number above 0, got the number 0."),
        ({"limit": "no limit"}, "limit: expected a whole number or nothing, got text."),
        ({"name": 5}, "name: expected text, got a number; put it in quotes."),
        ({"name": True}, "name: expected text, got true; put it in quotes."),
        ({"name": ["secret"]}, "name: expected text, got a list."),
        ({"model": ""}, "model: expected text that is not empty, got an empty text."),
        ({"root": "orbit"}, "root: expected text such as /orbit; what is here has another form."),
        ({"words": "one"}, "words: expected a list, got text; write it in brackets: [one, two]."),
        ({"words": ["one", 2]}, "words[1]: expected text, got a number; put it in quotes."),
        ({"headers": ["a"]}, "headers: expected a section, got a list."),
        ({"urls": {"a": "b"}}, "urls: expected text or a list, got a section."),
        ({"part": "big"}, "part: expected a section of settings, got text."),
        ({"part": {"size": "big"}}, "part.size: expected a whole number, got text."),
        ({"on": "x" * 60}, "on: expected true or false, got text."),
    ],
)
def test_a_value_of_the_wrong_kind(given: Any, sentence: str) -> None:
    settings, (problem,) = convert_all(given, Settings, "")
    assert settings is None
    assert str(problem) == sentence


def test_a_text_that_may_be_a_secret_is_not_shown() -> None:
    for given in ({"code": "S3cret"}, {"limit": "S3cret"}, {"words": "S3cret"}, {"name": ["S3cret"]}):
        _, (problem,) = convert_all(given, Settings, "")
        assert "expected" in str(problem)
        assert "S3cret" not in str(problem)
