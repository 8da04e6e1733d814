"""``orbit plugin new``: what it writes installs into a clean environment, passes its own tests, and serves."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orbit.cli import orbit
from orbit.host.plugins.verify import HOOKS
from orbit.scaffold import HOOKS_TO_CHOOSE

ALL = ",".join(HOOKS_TO_CHOOSE)
PACKAGES = {f"{hook.replace('_', '')}_one": hook for hook in HOOKS_TO_CHOOSE} | {"of_all": ALL}
"""Name -> hooks. Each hook alone, and all together."""


def new(name: str, hooks: str, path: Path) -> Result:
    return CliRunner().invoke(orbit, ["plugin", "new", name, "--hooks", hooks, "--path", str(path)])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages, written side by side."""
    path = tmp_path_factory.mktemp("packages")
    for name, hooks in PACKAGES.items():
        result = new(name, hooks, path)
        assert result.exit_code == 0, result.output
    return path


@pytest.fixture(scope="module")
def environment(written: Path) -> Path:
    """The folder of programs of a fresh virtual environment with all packages, which borrows their dependencies."""
    venv = written / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    ours = sysconfig.get_path("purelib")
    where = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    (site / "borrowed.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "--quiet"]
    packages = [str(folder) for folder in written.glob("orbit-*")]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--no-index", *packages], check=True)
    return venv / "bin"


def test_the_help_names_every_hook_to_choose() -> None:
    shown = CliRunner().invoke(orbit, ["plugin", "new", "--help"]).output
    assert f"Hooks: {', '.join(HOOKS_TO_CHOOSE)}." in " ".join(shown.split())


def test_there_is_something_to_choose_for_every_hook() -> None:
    with_index = {"adopt", "copy", "drop", "forget", "list_passages", "list_sources", "list_collections", "rename"}
    come_with_others = {"call_tool", "count_tokens", "embed_tokens", "models", *with_index}
    rare = {"split"}  # most want the built-in splitter
    assert set(HOOKS_TO_CHOOSE) == set(HOOKS) - come_with_others - rare


@pytest.mark.timeout(600)  # ten packages, of which each has a test run of its own
def test_all_pass_their_own_tests(written: Path, environment: Path) -> None:
    folders = [str(folder / "tests") for folder in sorted(written.glob("orbit-*"))]
    command = [str(environment / "python"), "-m", "pytest", "-q", "--import-mode=importlib", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [
            *command,
            f"--rootdir={written}",
            "-o",
            "asyncio_default_fixture_loop_scope=function",
            "-W",
            "error",
            *folders,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert re.search(r"\d{3} passed", done.stdout)


def test_all_are_typed_strictly_and_laid_out(written: Path) -> None:
    folders = sorted(written.glob("orbit-*"))
    # Of the packages with several hooks or none of the others' templates; each takes mypy a second.
    packages = [str(next((written / name).glob("orbit_*"))) for name in ("orbit-of-all", "orbit-retrieve-one")]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join(map(str, folders))}
    checks = [
        (["mypy", "--strict", "--explicit-package-bases", "--config-file=", *packages], environment),
        (
            [
                "ruff",
                "check",
                "--no-cache",
                "--select",
                "E,F,I,B,UP,SIM,RUF,D1,PT",
                "--ignore",
                "D10,RUF005",
                *map(str, folders),
            ],
            None,
        ),
        (["ruff", "format", "--no-cache", "--check", *map(str, folders)], None),
    ]
    for command, variables in checks:
        done = subprocess.run(
            [sys.executable, "-m", *command], cwd=written, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_page_or_command_shows_all_settings(written: Path) -> None:
    """Authors add keys and passwords to the settings that they start with."""
    provider = (written / "orbit-of-all" / "orbit_of_all" / "provider.py").read_text("utf-8")
    for whole in ("to_builtins", "json.encode", "asdict", "{self.settings}"):
        assert whole not in provider


@contextlib.contextmanager
def serving(environment: Path, config: str, folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [str(environment / "python"), "-m", "orbit", "serve", "--config", config, "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            end = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert server.poll() is None, server.stdout and server.stdout.read()
                assert time.monotonic() < end, "it does not answer"
                time.sleep(0.1)
            yield server
        finally:
            server.terminate()
            server.communicate(timeout=30)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("generate_one", "have none about this: What is a plugin?"),
        ("of_all", "I quote from passages"),
        ("retrieve_one", "adds a capability to ORBIT"),
    ],
)
def test_three_commands_to_the_first_answer(written: Path, environment: Path, name: str, said: str) -> None:
    """The commands are those that were printed; the first of them, pip's, has been done by the fixture."""
    shown = new(f"{name}_again", PACKAGES[name], written).output.replace(f"{name}_again", name)
    shown = shown.replace(str(written / f"orbit-{name.replace('_', '-')}-again"), f"orbit-{name.replace('_', '-')}")
    commands = re.findall(r"^  ((?:pip|orbit) .*)$", shown, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["pip", "orbit", "orbit"]
    assert [command.split()[1] for command in commands] == ["install", "serve", "chat"]
    config = commands[1].split()[3]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(environment, config, written, port):
        asking = [
            "chat",
            "--temporary-key",
            "--config",
            config,
            "--url",
            f"http://127.0.0.1:{port}",
            "What is a plugin?",
        ]
        done = subprocess.run(
            [str(environment / "python"), "-m", "orbit", *asking],
            cwd=written,
            capture_output=True,
            text=True,
            check=False,
        )
        listing = ["keys", "list", "--config", config, "--json"]
        keys = subprocess.run(
            [str(environment / "python"), "-m", "orbit", *listing],
            cwd=written,
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert json.loads(keys.stdout) in ([], {"keys": []}), "the temporary key is gone"


@pytest.mark.parametrize(
    ("name", "hooks", "sentence"),
    [
        (
            "my-plugin",
            "generate",
            "use lower-case letters, digits and underscores, such as 'my_plugin'.",
        ),
        ("class", "generate", "'class' is not a valid plugin name"),
        ("9lives", "generate", "such as 'my_plugin'"),
        ("chroma", "generate", "'chroma' is the name of an installed plugin (orbit-chroma"),
        ("general", "generate", "'general' is one of ORBIT's own sections in the configuration."),
        ("inference", "generate", "'inference' is one of ORBIT's own sections"),
        ("keys", "generate", "'keys' is a command of orbit."),
        ("testing_of", "generat", "The hook 'generat' does not exist. Did you mean 'generate'?"),
        ("testing_of", "call_tool", "There is no template for 'call_tool'; docs/hooks.md has an example"),
        ("testing_of", "wrapper", "There is no template for 'wrapper'; docs/hooks.md has an example"),
        ("testing_of", ",", "Choose its hooks, as in --hooks generate,embed."),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_written(tmp_path: Path, name: str, hooks: str, sentence: str) -> None:
    result = new(name, hooks, tmp_path)
    assert result.exit_code == 1
    assert sentence in result.output
    assert list(tmp_path.iterdir()) == []


def test_without_jinja_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orbit.cli.plugin.find_spec", lambda _name: None)
    result = new("shout", "generate", tmp_path)
    assert result.exit_code == 1
    assert 'pip install "orbit-inference[testing]"' in result.output
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "orbit-shout"
    folder.mkdir()
    (folder / "mine").write_text("work")
    result = new("shout", "generate", tmp_path)
    assert result.exit_code == 1
    assert f"{folder} already exists." in result.output
    assert [file.name for file in folder.iterdir()] == ["mine"]
    assert "does not exist" in new("shout", "generate", tmp_path / "absent").output


def test_the_readme_has_its_table(tmp_path: Path) -> None:
    new("shout", "generate", tmp_path)
    table = (tmp_path / "orbit-shout" / "README.md").read_text()
    assert "<!-- settings: orbit_shout:ShoutSettings -->" in table
    assert "| `sentences` | whole number at least 1 | `2` | Sentences to quote in an answer. |" in table
