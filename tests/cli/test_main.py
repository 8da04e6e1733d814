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


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        (["keys", "create", "--name", b"a\xff"], b"", r"'a\udcff' is not valid UTF-8."),
        (["keys", "create", "--name", "a", "--notes", b"\xff"], b"", r"'\udcff' is not valid UTF-8."),
        (["keys", "rotate", b"\xff"], b"", r"'\udcff' is not valid UTF-8."),
        (["prompts", "create", "--name", b"\xff", "--file", "config.yaml"], b"", r"'\udcff' is not valid UTF-8."),
        (["prompts", "create", "--name", "a", "--file", "-"], b"a\xff", "not valid UTF-8"),
        (["chat", "--key", b"\xff", "hi"], b"", r"'\udcff' is not valid UTF-8."),
    ],
)
def test_text_that_is_not_utf_8_is_a_sentence(
    tmp_path: Path, arguments: list[str | bytes], given: bytes, said: str
) -> None:
    (tmp_path / "config.yaml").write_text("echo: {}\n")
    code = "from orbit.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, *arguments], input=given, capture_output=True, cwd=tmp_path, check=False
    )
    assert shown.returncode in (1, 2)
    assert said in shown.stderr.decode()
    assert b"Traceback" not in shown.stderr
