"""Puts small faults into modules, one at a time, and counts those that the module's own tests notice.

    .venv/bin/python scripts/mutants.py chat/admission auth/keys

Each module gets a copy of the sources in build/mutants, where ``mutmut show NAME`` shows a fault. A fault that no test
of tests/ROOM/test_MODULE.py notices is printed with its name.
"""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIES = ROOT / "build" / "mutants"
MISSED = (None, 0, 5, 33)
"""Exit codes of mutmut for a fault that was not tried, passed all tests, or has none."""


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
    room, _, name = module.rpartition("/")
    settings = {
        "only_mutate": [f"orbit/{module}.py"],
        "pytest_add_cli_args_test_selection": [f"tests/{room}/test_{name}.py"],
    }
    text = (copy / "pyproject.toml").read_text("utf-8")
    for setting, value in settings.items():
        text = re.sub(rf"^{setting} = .*", f"{setting} = {json.dumps(value)}", text, flags=re.MULTILINE)
    (copy / "pyproject.toml").write_text(text, "utf-8")
    return copy


def main(modules: list[str]) -> int:
    """Print the score of each module, and return 1 if tests miss more than 15 % of the faults of one."""
    scores = []
    for module in modules:
        copy = copy_for(module)
        subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=copy, check=False)
        file = copy / "mutants" / "orbit" / f"{module}.py.meta"
        codes = json.loads(file.read_text("utf-8"))["exit_code_by_key"]
        missed = [name for name, code in codes.items() if code in MISSED]
        scores.append((module, len(codes) - len(missed), len(codes), missed))
    for module, noticed, number, missed in scores:
        sys.stdout.write(f"{module}: {noticed} of {number} faults noticed, {100 * noticed / max(number, 1):.0f} %\n")
        sys.stdout.writelines(f"  {name}\n" for name in missed)
    return int(any(noticed < 0.85 * number for _, noticed, number, _ in scores))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
