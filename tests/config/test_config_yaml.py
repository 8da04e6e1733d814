"""Files that are no configuration, by accident or by malice: one sentence each, soon, and no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

CASES = {
    "deep lists": ("[" * 50_000, "line 1: this is nested more than 50 levels deep."),
    "deep sections": ("{a: " * 50_000, "line 1: this is nested more than 50 levels deep."),
    "deep lists in lines": ("a:\n" + "- " * 50_000, "line 2: this is nested more than 50 levels deep."),
    "deep names": ("? " * 50_000, "line 1: this is nested more than 50 levels deep."),
    "half a character": (
        'echo: {}\nmessages: {answer: "\\ud800"}',
        "line 2: an escape such as \\ud800 is half",
    ),
    "a bomb": (BOMB, "line 5: there are more than 20000 values up to here, including those of aliases."),
    "a bomb of sections": (
        BOMB.replace("[", "{k: [").replace("]", "]}"),
        "there are more than 20000 values up to here, including those of aliases.",
    ),
    "recursion": ("ollama: &x\n  model: m\n  more: [*x]\n", "line 3: '*x' contains itself"),
    "merged recursion": ("ollama: &x\n  <<: *x\n", "line 2: '*x' contains itself"),
    "many values": ("a:\n" + "  - 1\n" * 30_000, "there are more than 20000 values"),
    "a large file": ("a: " + "word " * 200_000, "is larger than 512 KiB"),
    "NUL": ("general:\n  host: a\0b", "line 2: this is not valid YAML: it contains the character U+0000."),
    "two documents": (
        "echo: {}\n---\nollama: {}\n",
        "line 2, column 1: this is not valid YAML: a second document begins",
    ),
    "a list": ("- a\n- b\n", "must be a mapping of sections"),
    "a number": ("5", "must be a mapping of sections"),
    "a long number": ("general: {port: " + "9" * 5_000 + "}", "it contains an invalid number, date or tag"),
    "a date that is none": ("general: {host: 2001-99-99}", "it contains an invalid number, date or tag"),
    "an unquoted template": ("general: {host: {{ HOST }}}", "write a variable as ${NAME}"),
    "code": ("general: !!python/object/apply:os.system [id]", "tags such as !!python/object are not supported"),
    "a section as a name": ("? {a: b}\n: c\n", "a section is used as a name here"),
    "numbers as names": ("1: {}\n2.5: {}\nnull: {}\necho: {}\n", "no section or plugin is named '1'"),
    "a list as a name": ("? [a, b]\n: {}\n", "no section or plugin is named"),
    "numbers as names of settings": ("echo: {}\ngeneral: {1: 2}\n", "general.1: there is no such setting"),
    "infinity": (
        "echo: {}\ntimeouts: {start: .inf, stop: .nan}\n",
        "timeouts.start: expected a number, got inf, which is",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_no_configuration_is_told_in_a_sentence(tmp_path: Path, case: str) -> None:
    text, sentence = CASES[case]
    (tmp_path / "config.yaml").write_text(text, "utf-8")
    ran = check(tmp_path)
    assert ran.returncode == 1
    assert sentence in ran.stderr
    assert "Traceback" not in ran.stderr


def test_the_encoding_of_a_file(tmp_path: Path) -> None:
    config = f"general: {{data_dir: {tmp_path}}}\nlogging: {{file: {{directory: {tmp_path}}}}}\necho: {{}}\n"
    (tmp_path / "config.yaml").write_text(config, "utf-8-sig")
    assert check(tmp_path).returncode == 0
    (tmp_path / "config.yaml").write_text(config, "utf-16")
    assert "it is not UTF-8 text. Save it as UTF-8." in check(tmp_path).stderr
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    (tmp_path / ".env").write_bytes(b"NAME=\xff\n")
    assert "/.env: cannot be read: it is not UTF-8 text." in check(tmp_path).stderr


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orbit", "check", "--config", str(folder / "config.yaml")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
