"""The table of docs/clients.md is what the real clients can do. With ``-s``, the run prints the table.

Each client is a process that imports a framework, which takes seconds.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orbit.testing import RunningServer

sys.path.append(str(Path(__file__).parent))

from client_matrix import CLIENTS, FEATURES, Client, row, served  # found by the line above

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text("utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with served(tmp_path_factory.mktemp("clients")) as server:
        yield server


@pytest.mark.processes
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_can_do_what_the_page_says(client: Client, server: RunningServer) -> None:
    if missing := client.missing():
        pytest.skip(missing)
    found = row(client.name, client.results(server))
    sys.stdout.write(f"{found}\n")
    assert found in PAGE.splitlines()


def test_the_page_has_each_client_with_three_lines() -> None:
    _, matrix = PAGE.split("| client | " + " | ".join(FEATURES) + " |\n")
    rows = re.findall(r"^\| ([^|]+) \|.+\|$", matrix, re.MULTILINE)
    sections = dict(re.findall(r"^## ([^\n]+)\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
    assert rows == [client.name for client in CLIENTS] == list(sections)
    assert {len(list(filter(None, lines.splitlines()))) for lines in sections.values()} == {3}
