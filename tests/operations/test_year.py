"""The first months of an operator's year; ``year.py`` lives all of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from year import SHORT, lived


@pytest.mark.processes
@pytest.mark.timeout(300)
def test_clients_see_no_error_and_no_wrong_answer(tmp_path: Path) -> None:
    """Real processes one after the other, as an operator starts them: that is what takes the time."""
    with lived(tmp_path, SHORT) as clients:
        clients.end()
    assert clients.asked > 20
    assert clients.errors == []
    assert clients.wrong == []
