"""`orbit plugins show`: all about one plugin, whatever its state."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from orbit.cli import orbit
from orbit.host.plugins.load import import_plugin
from orbit.host.settings_table import markdown_table
from orbit.testing import serve

WIKI = '''
from typing import Annotated

class Plugin(orbit.Provider):
    """Passages of a wiki.

    More about it.
    """

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        url: Annotated[str, msgspec.Meta(description="Address of the wiki.")]
        pages: Annotated[int, msgspec.Meta(ge=1, description="Pages read.")] = 3

    @orbit.hookimpl
    async def retrieve(self, query): return []

    @orbit.hookimpl(wrapper=True)
    def generate(self, messages): return (yield)
'''


def show(folder: Path, *words: str):
    config = folder / "config.yaml"
    return CliRunner().invoke(orbit, ["plugins", "show", *words, "--config", str(config)])


@pytest.fixture
def wiki(install, tmp_path: Path) -> Path:
    install("orbit-wiki", WIKI, name="wiki", version="1.2")
    (tmp_path / "config.yaml").write_text("echo: {}\nours:\n  use: wiki\n  url: http://wiki\n")
    return tmp_path


@pytest.mark.parametrize(("name", "instance", "state"), [("ours", "ours", "enabled"), ("wiki", "", "installed")])
def test_an_instance_and_a_plugin_that_is_not_enabled(wiki: Path, name: str, instance: str, state: str) -> None:
    told = json.loads(show(wiki, name, "--json").stdout)
    assert (told["plugin"], told["instance"], told["state"]) == ("wiki", instance, state)
    assert (told["distribution"], told["version"], told["api"]) == ("orbit-wiki", "1.2", 1)
    assert (told["hooks"], told["wraps"]) == (["retrieve"], ["generate"])
    assert told["summary"] == "Passages of a wiki."
    assert told["source"].endswith("orbit_wiki.py")
    assert told["settings"] == [
        {"name": "url", "type": "text", "default": None, "description": "Address of the wiki."},
        {"name": "pages", "type": "whole number at least 1", "default": "3", "description": "Pages read."},
    ]


def test_for_people(wiki: Path) -> None:
    text = show(wiki, "ours").stdout
    for word in ("1.2 of orbit-wiki", "retrieve", "wraps", "Address of the wiki.", "required", "orbit_wiki:Plugin"):
        assert word in text


def test_the_table_for_a_readme(wiki: Path) -> None:
    shown = show(wiki, "wiki", "--markdown")
    assert shown.stdout.splitlines() == [
        "| setting | type | default | description |",
        "|---|---|---|---|",
        "| `url` | text | required | Address of the wiki. |",
        "| `pages` | whole number at least 1 | `3` | Pages read. |",
    ]


def test_the_same_table_as_a_readme_of_this_project(tmp_path: Path) -> None:
    from orbit.host.plugins.discover import installed_plugins

    (tmp_path / "config.yaml").write_text("echo: {}\n")
    settings = import_plugin(installed_plugins()["ollama"]).Settings
    table = show(tmp_path, "ollama", "--markdown").stdout
    assert table == markdown_table(settings)
    assert table in (Path(__file__).parents[2] / "plugins" / "orbit_ollama" / "README.md").read_text("utf-8")


def test_an_unknown_name(wiki: Path) -> None:
    shown = show(wiki, "wikki")
    assert shown.exit_code == 1
    assert "no plugin or instance is named 'wikki'. Did you mean 'wiki'?" in shown.output


def test_a_section_whose_plugin_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("echo: {}\nmine: {use: wiki}\n")
    assert "no section or plugin is named 'wiki'." in show(tmp_path, "mine").output


def test_one_that_is_broken_on_import(install, tmp_path: Path) -> None:
    install("wiki", "import a_package_that_is_not_there")
    (tmp_path / "config.yaml").write_text("echo: {}\nwiki: {}\n")
    told = json.loads(show(tmp_path, "wiki", "--json").stdout)
    assert told["state"] == "failed"
    assert "importing wiki:Plugin failed: ModuleNotFoundError" in told["reason"]
    assert "Traceback" not in show(tmp_path, "wiki").output
    assert "wiki.py" in show(tmp_path, "wiki", "--traceback").stderr
    assert show(tmp_path, "wiki", "--markdown").exit_code == 1


def test_one_with_wrong_settings_says_so(wiki: Path) -> None:
    (wiki / "config.yaml").write_text("echo: {}\nwiki: {pages: 0}\n")
    told = json.loads(show(wiki, "wiki", "--json").stdout)
    assert told["state"] == "failed"
    assert "wiki.url: is missing" in told["reason"]
    assert told["hooks"] == ["retrieve"]


def test_the_health_of_a_running_instance(tmp_path: Path, monkeypatch) -> None:
    from orbit.auth.admin_token import read_token

    with serve({"echo": {}}, tmp_path / "data") as server:
        port = server.url.rpartition(":")[2]
        token = read_token(server.services.config)
        assert token
        monkeypatch.setenv("ORBIT_ADMIN_TOKEN", token)
        general = f"general: {{data_dir: {tmp_path}/data, host: 127.0.0.1, port: {port}}}"
        (tmp_path / "config.yaml").write_text(f"{general}\necho: {{}}\n")
        running = json.loads(show(tmp_path, "echo", "--json").stdout)
    away = json.loads(show(tmp_path, "echo", "--json").stdout)
    assert running["health"] == "ok"
    assert away["health"] == ""
