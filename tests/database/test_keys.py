"""Which secrets of a key are valid until when, and all keys page by page."""

from __future__ import annotations

from typing import Any

import pytest

from orbit.database.keys import ApiKey, FormerSecret, KeyRecords


@pytest.mark.parametrize(
    ("digest", "expires", "until"),
    [
        ("now", None, None),
        ("now", 50.0, 50.0),
        ("old", None, 30.0),
        ("old", 20.0, 20.0),
        ("old", 50.0, 30.0),
        ("older", None, 10.0),
        ("foreign", None, 0.0),
        ("foreign", 50.0, 0.0),
    ],
)
def test_a_secret_is_valid_until_it_or_its_key_expires(digest: str, expires: float | None, until: float | None) -> None:
    former = (FormerSecret("old", "_old", 30.0), FormerSecret("older", "lder", 10.0))
    assert ApiKey("k", "now", "_now", "Anna", expires_at=expires, former=former).valid_until(digest) == until


@pytest.mark.parametrize("number", [0, 1, 99, 100, 101, 250])
async def test_all_keys_come_once_page_by_page(number: int) -> None:
    keys = [ApiKey(f"{count:04d}", str(count), "", "Anna") for count in range(number)]

    class Records:
        async def list_keys(self, *, after: str = "", limit: int = 100) -> list[ApiKey]:
            return [key for key in keys if key.id > after][:limit]

    records: Any = Records()
    assert [key async for key in KeyRecords.all_keys(records)] == keys
