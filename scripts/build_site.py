"""Build the documentation site into build/site. Broken links are errors.

python scripts/build_site.py
"""
# ruff: noqa: INP001  # a script, not a package

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "build" / "pages"
TOP = ("CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md")
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def sources() -> dict[Path, Path]:
    """Return the location of each page of the repository in the site, relative to its root."""
    docs = {path: path.relative_to(ROOT / "docs") for path in (ROOT / "docs").glob("*.md")}
    plugins = {path: Path("plugins", f"{path.parent.name}.md") for path in ROOT.glob("plugins/*/README.md")}
    top = {ROOT / name: Path(name.lower()) for name in TOP}
    return {**docs, **plugins, **top, ROOT / "README.md": Path("index.md")}


def moved(text: str, page: Path, places: dict[Path, Path]) -> str:
    """Return a page with its links adapted to the site. Links to files that are not pages are removed."""
    here = places[page].parent

    def link(match: re.Match[str]) -> str:
        text, target, anchor = match["text"], match["target"], match["anchor"] or ""
        file = (page.parent / target).resolve()
        if file.is_relative_to(ROOT / "docs" / "images"):
            return f"[{text}]({os.path.relpath(file.relative_to(ROOT / 'docs'), here)})"
        if file in places:
            return f"[{text}]({os.path.relpath(places[file], here)}{anchor})"
        return text if file.exists() else match[0]

    return _LINK.sub(link, text)


def main() -> int:
    """Collect the pages and build the site."""
    places = sources()
    shutil.rmtree(PAGES, ignore_errors=True)
    for page, place in places.items():
        if page == ROOT / "README.md":
            continue  # docs/index.md replaces it
        target = PAGES / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(moved(page.read_text("utf-8"), page, places), encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "images", PAGES / "images")
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}, check=False).returncode  # noqa: S603  # our own command


if __name__ == "__main__":
    sys.exit(main())
