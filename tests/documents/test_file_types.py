"""Types of files by extension, apart from the readers."""

from orbit.documents.file_types import KINDS
from orbit.documents.reading.readers import _READERS


def test_every_kind_has_a_reader_and_every_reader_a_kind() -> None:
    assert set(KINDS.values()) == set(_READERS)
