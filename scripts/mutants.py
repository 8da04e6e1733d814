"""Puts small faults into modules, one at a time, and counts those that the module's own tests notice.

    .venv/bin/python scripts/mutants.py auth chat/admission chat/search

Each module of a room gets a copy of the sources in build/mutants, where ``mutmut show NAME`` shows a fault. A fault
that the tests of the module miss is printed with its name: those of tests/ROOM/test_MODULE.py and test_MODULE_*.py, or
those that tests/test_layout.py names instead.
"""
# ruff: noqa: INP001, T201  # a script, not a package; it prints its figures

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIES = ROOT / "build" / "mutants"
ELSEWHERE = runpy.run_path(str(ROOT / "tests" / "test_layout.py"))["ELSEWHERE"]
"""Where modules without a test file of their name are tested."""

MISSED = (None, 0, 5, 33)
"""Exit codes of mutmut for a fault that was not tried, passed all tests, or has none."""


def modules_of(name: str) -> list[str]:
    """Name the modules with code of a room, or the one module of this name, such as chat/admission."""
    files = sorted((ROOT / "orbit" / name).rglob("*.py")) or [ROOT / "orbit" / f"{name}.py"]
    modules = [file.relative_to(ROOT / "orbit").with_suffix("").as_posix() for file in files]
    return [module for module in modules if not module.endswith("__init__")]


def tests_of(module: str) -> list[str]:
    """Name the test files that guard a module."""
    room, _, name = module.rpartition("/")
    folder = ROOT / "tests" / room
    own = [*folder.glob(f"test_{name}.py"), *sorted(folder.glob(f"test_{name}_*.py"))]
    return [file.relative_to(ROOT).as_posix() for file in own] or [f"tests/{ELSEWHERE[module + '.py'][0]}"]


def copy_for(module: str) -> Path:
    """Copy all tracked files, with mutmut set to one module and its tests."""
    copy = COPIES / module.replace("/", "_")
    shutil.rmtree(copy, ignore_errors=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  # the contributor's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    settings = {"only_mutate": [f"orbit/{module}.py"], "pytest_add_cli_args_test_selection": tests_of(module)}
    text = (copy / "pyproject.toml").read_text("utf-8")
    for setting, value in settings.items():
        text = re.sub(rf"^{setting} = .*", f"{setting} = {json.dumps(value)}", text, flags=re.MULTILINE)
    (copy / "pyproject.toml").write_text(text, "utf-8")
    return copy


def score_of(module: str) -> tuple[list[str], int]:
    """Name the faults in one module that its tests miss, and count all that were made."""
    copy = copy_for(module)
    with (copy / "mutmut.log").open("w", encoding="utf-8") as log:
        subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=copy, stdout=log, stderr=log, check=False)
    file = copy / "mutants" / "orbit" / f"{module}.py.meta"
    codes = json.loads(file.read_text("utf-8"))["exit_code_by_key"]
    return [name for name, code in codes.items() if code in MISSED], len(codes)


def line(name: str, missed: int, made: int) -> str:
    """Say how many faults were noticed."""
    return f"{name}: {made - missed} of {made} faults noticed, {100 * (made - missed) / max(made, 1):.0f} %"


def main(names: list[str]) -> int:
    """Print the score of each module and of all, and return 1 if tests miss more than 15 % of the faults of one."""
    all_missed = all_made = 0
    good = True
    for module in [module for name in names for module in modules_of(name)]:
        missed, made = score_of(module)
        print(line(module, len(missed), made), *(f"  {name}" for name in missed), sep="\n", flush=True)
        all_missed, all_made = all_missed + len(missed), all_made + made
        good = good and len(missed) <= 0.15 * made
    print(line("all", all_missed, all_made))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
