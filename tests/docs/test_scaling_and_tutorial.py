"""Configurations on the pages for growing deployments and for plugin authors are right; a shown command says that."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from orbit.cli import orbit
from orbit.config.load import parse_config
from orbit.host.host import OrbitHost

DOCS = Path(__file__).parents[2] / "docs"
SECRETS = {"VLLM_API_KEY": "one", "MONGODB_URI": "mongodb://localhost"}


def fenced(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_configuration_of_a_large_deployment_is_right() -> None:
    text, _ = fenced("scaling.md", "yaml")
    loaded: Any = YAML(typ="safe", pure=True).load(text)
    config, problems = parse_config(loaded, "the page", SECRETS)
    host = OrbitHost(config, problems)
    assert [str(problem) for problem in host.problems] == []
    assert (host.roles.generate, host.roles.embed, host.roles.index) == ("openai", "vectors", "chroma")
    assert not any(host.registry[name].exclusive() for name in host.registry.names())


def test_the_page_for_ray_is_python() -> None:
    (text,) = fenced("scaling.md", "python")
    compile(text, "models.py", "exec")


def test_the_tutorial_shows_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown, *_) = fenced("writing-a-plugin.md", "console")
    command, _, output = shown.partition("\n")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(orbit, command.split()[2:])
    assert result.output == output
