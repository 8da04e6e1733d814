"""``orbit check`` fails on whatever ``orbit serve`` would refuse, or would not do as it is written."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orbit.cli import orbit
from orbit.config.load import parse_config
from orbit.errors import ConfigError
from orbit.serving.config_problems import serving_problems


def told(tmp_path: Path, **sections: object) -> list[str]:
    data = {"logging": {"file": {"enabled": False}}, "general": {"data_dir": str(tmp_path)}, **sections}
    config, problems = parse_config(data, "test", {})
    assert problems == []
    return [str(problem) for problem in serving_problems(config)]


@pytest.mark.parametrize(
    ("origin", "right"),
    [
        ("https://chat.example.org", True),
        ("https://chat.example.org/", True),
        ("http://localhost:5173", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("HTTPS://Chat.Example.org", True),
        ("capacitor://localhost", True),
        ("chrome-extension://abcdefghijklmnop", True),
        ("*", True),
        ("chat.example.org", False),
        ("localhost:5173", False),
        ("https://", False),
        ("https://chat.example.org/app", False),
        ("https://chat.example.org?x", False),
        ("https://me@chat.example.org", False),
        ("https://chat.example.org:443", False),
        ("http://chat.example.org:80/", False),
        ("https://*.example.org", False),
        ("https://bücher.example", False),
        ("https://a.example, https://b.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_that_browsers_never_send(tmp_path: Path, origin: str, right: bool) -> None:
    found = told(tmp_path, cors={"allow_origins": ["https://right.example", origin]})
    assert bool(found) is not right
    assert all(problem.startswith("cors.allow_origins[1]: ") for problem in found)


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"cors": {"allow_methods": ["get"]}}, "cors.allow_methods[0]: 'get' is no method such as GET, in capitals."),
        ({"cors": {"allow_headers": ["X Y"]}}, "cors.allow_headers[0]: 'X Y' is no name of a header"),
        ({"cors": {"allow_headers": ["X\r\nY: z"]}}, "cors.allow_headers[0]: "),
        ({"pages": {"embed_origins": ["www.example.org"]}}, "pages.embed_origins[0]: 'www.example.org' is no origin"),
        ({"pages": {"embed_origins": ["https://a/b"]}}, "pages.embed_origins[0]: 'https://a/b' is no origin"),
        ({"sqlite": {"path": "{tmp}/folder"}}, "sqlite.path: the file {tmp}/folder cannot be used: this is a folder."),
        ({"general": {"data_dir": "{tmp}/new"}, "sqlite": {"path": "."}}, "sqlite.path: is the data folder itself; it"),
        ({"sqlite": {"path": ""}}, "sqlite.path: is empty; it must name a file, such as orbit.db."),
        ({"sqlite": {"path": "{tmp}/file/x"}}, "sqlite.path: the file {tmp}/file/x cannot be used: {tmp}/file is no"),
        ({"sqlite": {"path": "{tmp}/file"}}, "sqlite.path: the file {tmp}/file is not a SQLite database."),
        ({"sqlite": {"path": "x" * 300}}, "sqlite.path: "),
        ({"general": {"data_dir": "{tmp}/file/x"}}, "general.data_dir: the folder {tmp}/file/x cannot be used: "),
        ({"general": {"data_dir": "/proc/orbit"}}, "general.data_dir: the folder /proc/orbit cannot be used: no such"),
        ({"general": {"data_dir": "{tmp}", "host": "http://x"}}, "general.host: is an address or name alone, such as"),
        (
            {"general": {"data_dir": "{tmp}", "host": "0.0.0.0:80"}},
            "general.host: is an address or name alone, such as",
        ),
        ({"general": {"data_dir": "{tmp}", "host": "300.1.1.1"}}, "general.host: is an address or name alone, such as"),
        (
            {"general": {"data_dir": "{tmp}", "host": "no-such-host.invalid"}},
            "general.host: 'no-such-host.invalid' does",
        ),
        ({"general": {"data_dir": "{tmp}", "host": "[::1]"}}, "general.host: is an address or name alone, such as"),
        ({"general": {"data_dir": "{tmp}", "host": "x" * 80}}, "general.host: is an address or name alone, such as"),
        ({"general": {"data_dir": "{tmp}", "trusted_proxies": ["x"]}}, "general.trusted_proxies[0]: 'x' is neither"),
        ({"general": {"data_dir": "{tmp}", "trusted_proxies": ["10.0.0.1/8"]}}, "general.trusted_proxies[0]: "),
        (
            {"general": {"data_dir": "{tmp}", "image_hosts": ["ok.example.org", "https://img.example.org/"]}},
            "general.image_hosts[1]: 'https://img.example.org/' is no host such as img.example.org",
        ),
        (
            {"general": {"data_dir": "{tmp}", "image_hosts": ["*.example.org"]}},
            "general.image_hosts[0]: '*.example.org'",
        ),
        (
            {"general": {"data_dir": "{tmp}", "port": 5, "https": {"enabled": True, "port": 5}}},
            "general.https.port: 5 is general.port already; HTTPS needs another port.",
        ),
        ({"logging": {"file": {"directory": "{tmp}/file"}}}, "logging.file.directory: the folder {tmp}/file cannot be"),
        ({"logging": {"file": {"directory": "/proc/logs"}}}, "logging.file.directory: the folder /proc/logs cannot be"),
        (
            {"logging": {"server_file": "{tmp}/folder", "file": {"enabled": False}}},
            "logging.server_file: the file {tmp}/folder cannot be used: this is a folder.",
        ),
        (
            {"logging": {"server_file": "{tmp}/nowhere/x.log", "file": {"enabled": False}}},
            "logging.server_file: there is no folder {tmp}/nowhere; make it, or name another file.",
        ),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Path, sections: dict[str, object], problem: str) -> None:
    (tmp_path / "file").write_text("some text")
    (tmp_path / "folder").mkdir()
    found = told(tmp_path, **filled(sections, tmp_path))
    assert any(one.startswith(problem.replace("{tmp}", str(tmp_path))) for one in found), found


def test_an_admin_token_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "admin-token").mkdir()
    (problem,) = told(tmp_path)
    assert problem.startswith(f"the admin token {tmp_path}/admin-token cannot be read: ")
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", "a token that is long enough, with a line\nbreak")
    (problem,) = told(tmp_path)
    assert "ORBIT_ADMIN_TOKEN" in problem


def filled(value: Any, tmp_path: Path) -> Any:
    if isinstance(value, dict):
        return {key: filled(entry, tmp_path) for key, entry in value.items()}
    return value.replace("{tmp}", str(tmp_path)) if isinstance(value, str) else value


def test_what_is_right_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    assert told(tmp_path, logging={"file": {"directory": str(tmp_path / "logs")}}, sqlite={"path": "empty.db"}) == []
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]


@pytest.mark.parametrize("data_dir", ["data", "{tmp}/data"])
def test_an_unusable_data_folder_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").touch()
    general = f"general: {{data_dir: {data_dir.replace('{tmp}', str(tmp_path))}}}"
    (tmp_path / "config.yaml").write_text(f"{general}\nlogging: {{server_file: server.log}}\necho: {{}}\n")
    error = CliRunner().invoke(orbit, ["check", "--config", "config.yaml"]).exception
    assert isinstance(error, ConfigError)
    assert [problem.path for problem in error.problems] == ["general.data_dir"]


@pytest.mark.parametrize("command", ["check", "serve"])
def test_check_and_serve_say_the_same(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").touch()
    config = f"""
general: {{data_dir: {tmp_path}, port: 0}}
cors: {{allow_origins: [chat.example.org]}}
logging: {{file: {{directory: {tmp_path}/file}}}}
echo: {{}}
"""
    (tmp_path / "config.yaml").write_text(config)
    program = [sys.executable, "-m", "orbit", command, "--config", str(tmp_path / "config.yaml")]
    ran = subprocess.run(program, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "cors.allow_origins[0]: 'chat.example.org' is no origin such as https://chat.example.org" in ran.stderr
    assert (
        f"logging.file.directory: the folder {tmp_path}/file cannot be used: {tmp_path}/file is not a folder."
        in ran.stderr
    )
