"""The script that installs what tests run besides Python."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "system-packages.sh"


def test_what_is_missing_is_named_where_it_may_not_be_installed(tmp_path: Path) -> None:
    user = tmp_path / "id"
    user.write_text("#!/bin/sh\necho 1000\n")
    user.chmod(0o755)
    done = subprocess.run(
        ["/bin/bash", str(SCRIPT)], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "Tests that need these Debian packages will be skipped: " in done.stderr
    assert "As root: apt-get install " in done.stderr
    for package in ("certbot", "chromium", "nodejs"):
        assert package in done.stderr


def test_every_tool_that_a_test_may_miss_is_in_the_script() -> None:
    named = SCRIPT.read_text()
    for program in ("nginx", "caddy", "certbot", "logrotate", "chromium", "node", "unshare", "ip", "mount"):
        assert f'"{program} ' in named
