"""Puts small faults into modules, one at a time, and counts those that the module's own tests notice.

    .venv/bin/python scripts/mutants.py auth chat/admission chat/search
    .venv/bin/python scripts/mutants.py --sample 40 auth chat

With ``--sample`` each folder of a room counts as a whole: its tests meet so many faults of all its modules, drawn by
chance and the same at every run. That is a score in minutes; without it every fault is tried, which takes hours.

Each module of a room gets a copy of the sources in build/mutants, where ``mutmut show NAME`` shows a fault. A fault
that the tests of the module miss is printed with its name: those of tests/ROOM/test_MODULE.py and test_MODULE_*.py,
those that tests/test_layout.py names instead, or those of its package or room.
"""
# ruff: noqa: INP001, T201  # a script, not a package; it prints its figures

from __future__ import annotations

import argparse
import json
import random
import re
import runpy
import shutil
import subprocess
import sys
from importlib import import_module
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
    if not own and module + ".py" in ELSEWHERE:
        own = [ROOT / "tests" / ELSEWHERE[module + ".py"][0]]
    parts = Path(module).parts
    for depth in range(len(parts) - 1, 0, -1):  # a package may have its tests in one file, or its room in one folder
        package = ROOT.joinpath("tests", *parts[: depth - 1])
        own = own or sorted(package.glob(f"test_{parts[depth - 1]}*.py"))
    return [file.relative_to(ROOT).as_posix() for file in own] or [f"tests/{parts[0]}"]


def folders_of(name: str) -> dict[str, list[str]]:
    """Name the modules of each folder of a room."""
    folders: dict[str, list[str]] = {}
    for module in modules_of(name):
        folders.setdefault(module.rpartition("/")[0], []).append(module)
    return folders


def copy_for(name: str, modules: list[str], tests: list[str]) -> Path:
    """Copy all tracked files, with mutmut set to modules and their tests."""
    copy = COPIES / name.replace("/", "_")
    shutil.rmtree(copy, ignore_errors=True)
    tracked = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607  # the contributor's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for file in filter(None, tracked.split("\0")):
        if (ROOT / file).is_file():
            (copy / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, copy / file)
    settings = {
        "only_mutate": [f"orbit/{module}.py" for module in modules],
        "pytest_add_cli_args_test_selection": tests,
    }
    text = (copy / "pyproject.toml").read_text("utf-8")
    for setting, value in settings.items():
        text = re.sub(rf"^{setting} = .*", f"{setting} = {json.dumps(value)}", text, flags=re.MULTILINE)
    (copy / "pyproject.toml").write_text(text, "utf-8")
    return copy


def drawn(modules: list[str], most: int) -> list[str]:
    """Draw so many of the faults that mutmut makes in modules."""
    mutation = import_module("mutmut.mutation.file_mutation")  # only `nox -s mutants` installs it

    names = []
    for module in modules:
        path = f"orbit/{module}.py"
        faults = mutation.mutate_file_contents(path, (ROOT / path).read_text("utf-8")).mutant_names
        names += [f"orbit.{module.replace('/', '.')}.{fault}" for fault in faults]
    return random.Random(0).sample(names, min(most, len(names)))  # noqa: S311  # the same faults at every run


def score_of(name: str, modules: list[str], sample: int | None) -> tuple[list[str], int]:
    """Name the faults in modules that their tests miss, and count all that were tried."""
    tests = list(dict.fromkeys(test for module in modules for test in tests_of(module)))
    copy = copy_for(name, modules, tests)
    tried = drawn(modules, sample) if sample else []
    with (copy / "mutmut.log").open("w", encoding="utf-8") as log:
        command = [sys.executable, "-m", "mutmut", "run", *tried]
        subprocess.run(command, cwd=copy, stdout=log, stderr=log, check=False)  # noqa: S603  # names of faults
    codes: dict[str, int | None] = {}
    for module in modules:
        file = copy / "mutants" / "orbit" / f"{module}.py.meta"
        codes |= json.loads(file.read_text("utf-8"))["exit_code_by_key"]
    tried = tried or list(codes)
    if all(codes[fault] is None for fault in tried):
        raise SystemExit(f"{name}: its tests already fail without a fault; see {copy / 'mutmut.log'}")
    return [fault for fault in tried if codes[fault] in MISSED], len(tried)


def line(name: str, missed: int, made: int) -> str:
    """Say how many faults were noticed."""
    return f"{name}: {made - missed} of {made} faults noticed, {100 * (made - missed) / max(made, 1):.0f} %"


def main() -> int:
    """Print the score of each module or folder and of all. Return 1 if tests miss more than 15 % of one."""
    parser = argparse.ArgumentParser(description="Count the small faults in modules that their own tests notice.")
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a room such as chat, or a module such as chat/admission"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="try N faults of each folder, drawn by chance")
    asked = parser.parse_args()
    units: dict[str, list[str]] = {}
    for name in asked.names:
        units |= folders_of(name) if asked.sample else {module: [module] for module in modules_of(name)}
    all_missed = all_made = 0
    good = True
    for unit, modules in units.items():
        missed, made = score_of(unit, modules, asked.sample)
        print(line(unit, len(missed), made), *(f"  {name}" for name in missed), sep="\n", flush=True)
        all_missed, all_made = all_missed + len(missed), all_made + made
        good = good and len(missed) <= 0.15 * made
    print(line("all", all_missed, all_made))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
