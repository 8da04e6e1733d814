"""Mistakes in configurations of the earlier ORBIT: those that it refused are refused, the others are said."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from earlier_kit import written

from orbit.cli import orbit
from orbit.errors import ConfigError
from orbit.host.host import OrbitHost


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("logging: {consle: {enabled: true}}", "logging.consle"),
        ("logging: {console: maybe}", "logging.console"),
        ("logging: {file: {rotation: sometimes}}", "logging.file"),
        ("general: {prot: 3000}", "general.prot"),
        ("mongodb: {apikeys_collection: x}", "mongodb.apikeys_collection"),
        ("ollama: {modle: x}", "ollama"),
        ("inference: {ollma: {model: x}}", "inference.ollma"),
        ("embeding: {provider: ollama}", "embeding"),
        ("import: 5", "import"),
        ("health: {details: everyone}", "health.details"),
    ],
)
def test_a_mistake_is_refused_beside_earlier_names(tmp_path: Path, text: str, setting: str) -> None:
    file = written(tmp_path, {"config.yaml": f"{text}\nembedding: {{enabled: false}}\n"})
    assert setting in " ".join(str(problem) for problem in OrbitHost.from_file(str(file)).problems)


def test_an_imported_file_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        OrbitHost.from_file(str(written(tmp_path, {"config.yaml": "import: [other.yaml]", "other.yaml": "a: ["})))


def test_a_circle_of_imports_ends(tmp_path: Path) -> None:
    files = {"config.yaml": "import: [a.yaml]", "a.yaml": "import: [b.yaml]", "b.yaml": "import: [a.yaml]"}
    problems = OrbitHost.from_file(str(written(tmp_path, files))).problems
    assert any("a second time" in str(problem) for problem in problems)


TWICE = """
general: {port: 3001}
ollama: {model: a}
general:
  port: 3002
  port: 3003
"""


def test_the_last_of_equal_keys_counts_in_an_earlier_file_alone(tmp_path: Path) -> None:
    file = written(tmp_path, {"config.yaml": f"import: [other.yaml]\n{TWICE}", "other.yaml": "auth: {}\nauth: {}\n"})
    host = OrbitHost.from_file(str(file))
    assert [str(problem) for problem in host.problems] == []
    assert host.config.host.general.port == 3003
    twice = [notice for notice in host.notices if "appears a second time; the last one counts" in notice]
    for place in (
        "config.yaml, line 5, column 1: 'general'",
        "config.yaml, line 7, column 3: 'port'",
        "other.yaml, line 2",
    ):
        assert sum(place in notice for notice in twice) == 1
    result = CliRunner().invoke(orbit, ["migrate", "config", str(file)])
    assert "port: 3003" in result.stdout
    assert "'port' appears a second time" in " ".join(result.stdout.replace("\n#", "").split())
    with pytest.raises(ConfigError, match=r"line 4, column 1: this is not valid YAML: 'general' appears a second"):
        OrbitHost.from_file(str(written(tmp_path, {"config.yaml": TWICE})))
    with pytest.raises(ConfigError, match="'a' appears a second time"):
        OrbitHost.from_file(str(written(tmp_path, {"config.yaml": "- {a: 1, a: 2}"})))
