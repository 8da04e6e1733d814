"""Set the version of the host and of all plugins: python scripts/set_version.py 0.3.0."""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import datetime as dt
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r'^version = "[^"]+"$', re.MULTILINE)
_UNRELEASED = "## [Unreleased]\n"


def main(arguments: list[str]) -> int:
    """Change the files. Return the exit status."""
    if len(arguments) != 1 or not re.fullmatch(r"\d+\.\d+\.\d+", arguments[0]):
        sys.stderr.write("Usage: python scripts/set_version.py MAJOR.MINOR.PATCH\n")
        return 2
    version = arguments[0]
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        text, count = _VERSION.subn(f'version = "{version}"', path.read_text("utf-8"))
        if count != 1:
            sys.stderr.write(f"{path} has {count} lines with a version\n")
            return 1
        path.write_text(text, encoding="utf-8")
    changes = ROOT / "CHANGELOG.md"
    today = dt.datetime.now(dt.UTC).date().isoformat()
    text = changes.read_text("utf-8")
    changes.write_text(text.replace(_UNRELEASED, f"{_UNRELEASED}\n## [{version}] - {today}\n", 1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
