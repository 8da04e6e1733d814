"""The page about the chat log shows every setting as it is."""

from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest
from orbit_es import ElasticsearchSettings

from orbit.chatlog.settings import FileLogSettings

PAGE = Path(__file__).parents[2] / "docs" / "logging.md"


def rows(kind):
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        description = next(meta.description for meta in hints[field.name].__metadata__ if meta.description)
        default = msgspec.json.encode(field.default).decode() if field.default != "" else ""
        yield f"| `{field.name}` | {default and f'`{default}`'} | {description} |"


@pytest.mark.parametrize("kind", [FileLogSettings, ElasticsearchSettings])
def test_settings_are_documented(kind):
    page = PAGE.read_text()
    table = "\n".join(["| setting | default | what it does |", "| --- | --- | --- |", *rows(kind)])
    assert table in page, f"the table should be:\n{table}"
