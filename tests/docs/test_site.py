"""The documentation builds as a site, without a broken link."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_builds_offline() -> None:
    command = [sys.executable, "scripts/build_site.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (ROOT / "build" / "site" / "hooks" / "index.html").read_text("utf-8")
    assert "Hook generate" in page
    assert "fonts.googleapis.com" not in page


def test_every_page_is_in_the_navigation() -> None:
    navigation = str(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"])
    for path in (ROOT / "docs").glob("*.md"):
        assert f"'{path.name}'" in navigation, path.name
    for path in ROOT.glob("plugins/*/README.md"):
        assert f"'plugins/{path.parent.name}.md'" in navigation, path.parent.name
