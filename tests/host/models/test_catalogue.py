"""The section ``models``, as ``orbit check`` judges it and as requests find it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orbit.host.models.catalogue import UnknownModel
from orbit.testing.hosting import make_host

PROVIDERS: dict[str, Any] = {"a": {"use": "echo"}, "b": {"use": "script", "model": "large"}}


@pytest.mark.parametrize(
    ("models", "path", "said"),
    [
        ({"default": "x", "x": {"provider": "aa"}}, "models.x.provider", "Did you mean 'a'?"),
        ({"default": "y", "x": {"provider": "a"}}, "models.default", "there is no model 'y'"),
        ({"x": {"provider": "a"}, "y": {"provider": "b"}}, "models.default", "is missing"),
        ({"x": {"provider": "a", "fallback": "z"}}, "models.x.fallback", "there is no model 'z'"),
        ({"x": {"provider": "a", "fallback": "x"}}, "models.x.fallback", "x -> x"),
        ({"defualt": "x", "x": {"provider": "a"}}, "models.defualt", "Did you mean 'default'?"),
        ({"x": "a"}, "models.x", "expected a section of settings such as {provider: ollama}, got text."),
        ({"x": {}}, "models.x.provider", "is missing: text or a list is needed here."),
        ({"x": {"provider": []}}, "models.x.provider", "is empty"),
        ({"orbit": {"provider": "a"}}, "models.orbit", "cannot be the name"),
        ({"x": {"provider": "a", "options": {"temperature": 9}}}, "models.x.options.temperature", "at most 2"),
    ],
)
def test_mistakes(tmp_path: Path, models: dict[str, Any], path: str, said: str) -> None:
    problems = make_host({**PROVIDERS, "models": models}, tmp_path).problems
    assert any(problem.path == path and said in problem.message for problem in problems), problems


def test_the_default_comes_first(tmp_path: Path) -> None:
    models = {"default": "y", "x": {"provider": "a"}, "y": {"provider": "b"}}
    assert make_host({**PROVIDERS, "models": models}, tmp_path).catalogue.names() == ("y", "x")


def test_without_the_section_each_provider_that_generates_is_a_model(tmp_path: Path) -> None:
    found = make_host({**PROVIDERS, "general": {"inference_provider": "b"}}, tmp_path).catalogue
    assert (found.names(), found.find(""), found.find("orbit"), found.find("LARGE")) == (("large", "a"), *["large"] * 3)
    with pytest.raises(UnknownModel, match="Models: large, orbit, a"):
        found.find("b")
