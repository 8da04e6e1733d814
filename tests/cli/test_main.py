"""``orbit`` itself: help, unknown commands, errors."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from orbit.cli import main, orbit


def test_help_is_light(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['orbit', '--help']\n"
        "from orbit.cli import main\n"
        "try: main()\n"
        "finally: print([m for m in ('litestar', 'chromadb', 'llama_cpp', 'numpy', 'uvicorn') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert shown.stdout.endswith("[]\n"), shown.stdout + shown.stderr
    assert "serve" in shown.stdout


def test_an_unknown_command() -> None:
    result = CliRunner().invoke(orbit, ["serv"])
    assert result.exit_code == 2
    assert "No such command 'serv'. Did you mean 'serve'?" in result.output


def test_errors_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orbit", "check", "--config", str(tmp_path / "none.yaml")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "there is no such file" in capsys.readouterr().err
