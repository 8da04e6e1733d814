"""Commands of plugins act on the instance that their name says."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from orbit.cli import orbit

SPEAKS = """
import click
class Plugin(orbit.Provider):
    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        word: str = "nothing"
    @orbit.hookimpl
    def register_commands(self, group):
        @group.command()
        def say():
            click.echo(f"{self.name} says {self.settings.word}")
"""
TWO = "echo: {}\nother:\n  use: speaks\n  word: other\nspeaks:\n  word: own\n"


@pytest.mark.parametrize(
    ("config", "name", "said"),
    [
        (TWO, "speaks", "speaks says own"),
        (TWO, "other", "other says other"),
        ("echo: {}\nmy_one:\n  use: speaks\n  word: mine\n", "speaks", "my_one says mine"),
        ("echo: {}\nmy_one:\n  use: speaks\n  word: mine\n", "my-one", "my_one says mine"),
        ("echo: {}\n", "speaks", "speaks says nothing"),
    ],
)
def test_the_instance_that_the_name_says(
    config: str, name: str, said: str, install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("speaks", SPEAKS)
    (tmp_path / "config.yaml").write_text(config)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(orbit, [name, "say"])
    assert result.output.strip() == said


def test_a_name_that_nobody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.yaml").write_text("{broken")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(orbit, ["spaeks", "say"])
    assert result.exit_code == 2
    assert "No such command 'spaeks'" in result.output
