"""What the registry asks of providers, and what it makes of answers that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import orbit
from orbit.errors import PluginLoadError
from orbit.host.providers.registry import Registry
from orbit.testing import make_host

SAYS: dict[str, Any] = {}


def said(question: str) -> Any:
    """What the provider says now; an exception is raised."""
    answer = SAYS[question]
    if isinstance(answer, Exception):
        raise answer
    return answer


class Wiki(orbit.Provider):
    """Says of itself what a test wants."""

    def model(self, hook: str) -> Any:
        return said("model")

    def calibration(self, hook: str) -> Any:
        return said("calibration")

    def filters(self) -> Any:
        return said("filters")

    def moderates(self, stage: str) -> Any:
        return said("moderates")

    @orbit.hookimpl
    async def retrieve(self) -> list[orbit.Document]:
        return []


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return make_host({"echo": {}, "wiki": {}}, tmp_path, {"wiki": Wiki}).registry


@pytest.mark.parametrize(("hook", "name"), [("retrieve", "echo"), ("retrieve", "nobody"), ("no_hook", "wiki")])
def test_nobody_calls_what_an_instance_does_not_implement(registry: Registry, hook: str, name: str) -> None:
    with pytest.raises(LookupError, match=f"^'{name}' does not implement {hook}$"):
        registry.caller(hook, name)


@pytest.mark.parametrize("scale", [None, orbit.Calibration(0.1, 0.2)])
def test_a_scale_is_the_plugins(registry: Registry, scale: orbit.Calibration | None) -> None:
    SAYS["calibration"] = scale
    assert registry.calibration("wiki", "retrieve") is scale


@pytest.mark.parametrize(
    ("scale", "reason"),
    [
        ("0.3", "gave '0.3' instead of an orbit.Calibration upwards."),
        (orbit.Calibration(0.5, 0.5), "gave Calibration(irrelevant=0.5, certain=0.5"),
        (ZeroDivisionError("none"), "raised ZeroDivisionError: none"),
    ],
    ids=str,
)
def test_a_scale_that_cannot_be_used_is_the_plugins_mistake(registry: Registry, scale: Any, reason: str) -> None:
    SAYS["calibration"] = scale
    with pytest.raises(PluginLoadError) as raised:
        registry.calibration("wiki", "retrieve")
    assert raised.value.name == "wiki"
    assert raised.value.reason.startswith(f"calibration('retrieve') {reason}")


@pytest.mark.parametrize("model", [None, RuntimeError("none")], ids=str)
def test_a_model_without_a_name_is_logged_once_for_each_hook(
    registry: Registry, model: Any, caplog: pytest.LogCaptureFixture
) -> None:
    SAYS["model"] = model
    assert [registry.model("wiki", hook) for hook in ("retrieve", "retrieve", "embed")] == ["", "", ""]
    assert [record.message for record in caplog.records] == [
        f"wiki.model('{hook}') gave {model!r} instead of a name; this is a mistake in the plugin"
        for hook in ("retrieve", "embed")
    ]


@pytest.mark.parametrize(("filters", "keeps_to_them"), [(True, True), (False, False), (1, False), ("yes", False)])
def test_only_who_says_true_gets_restricted_passages(registry: Registry, filters: Any, *, keeps_to_them: bool) -> None:
    SAYS["filters"] = filters
    assert registry.filters("wiki") is keeps_to_them


def test_who_cannot_say_whether_it_filters_does_not(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    SAYS["filters"] = OSError("gone")
    assert registry.filters("wiki") is False
    assert [record.message for record in caplog.records] == [
        "wiki.filters() raised OSError: gone; it is treated as False"
    ]


def test_who_cannot_say_what_it_judges_is_refused(registry: Registry) -> None:
    SAYS["moderates"] = OSError("gone")
    with pytest.raises(PluginLoadError) as raised:
        registry.moderates("wiki", "input")
    assert raised.value.name == "wiki"
    assert raised.value.reason == "it cannot be asked what it judges: moderates('input') raised OSError: gone"
