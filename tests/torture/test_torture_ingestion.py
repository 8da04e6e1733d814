"""An ingestion that is killed again and again ends like one that nobody disturbs."""

import asyncio
import json
import subprocess
import sys

import ingesting_kit
import pytest
from ingesting_kit import DONE, STORES, ingested


def run(data, folder, steps):
    """Let the worker take so many steps, and kill it within the next one. Return what it found if it ended."""
    command = [sys.executable, str(ingesting_kit.__file__), str(data), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for number, line in enumerate(process.stdout, start=1):
                if line.startswith(DONE):
                    return json.loads(line.removeprefix(DONE))
                process.stdin.write("\n")
                process.stdin.flush()
                if number == steps:
                    break
        finally:
            process.kill()
    return None


@pytest.mark.processes
def test_an_ingestion_that_is_killed_three_times_ends_like_an_undisturbed_one(tmp_path):
    """It takes seconds: only another process can be killed, and each has to load both stores."""
    folder = tmp_path / "office"
    folder.mkdir()
    for file in range(6):
        rules = (f"# Rule {number}\n\nThe office rule {file}-{number} is kept.\n" for number in range(8))
        (folder / f"rules{file}.md").write_text("\n".join(rules))
    (folder / "fees.csv").write_text("Office rule,Fee\nparking,3\nlunch,4\n")
    undisturbed = asyncio.run(ingested(tmp_path / "calm", folder))
    assert [len(undisturbed[store]) for store in STORES] == [50, 50]
    torn = tmp_path / "torn"
    for steps in (2, 4, 5):  # the first batch is embedded; one is written; some are, and the next is embedded
        assert run(torn, folder, steps) is None
    assert run(torn, folder, None) == undisturbed
