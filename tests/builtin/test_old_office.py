"""Files of old Office programs are read, or named."""

import pytest
from office_kit import xls

from orbit import Section, SourceFile
from orbit.builtin.old_office import OldOffice
from orbit.documents.reading.readers import check_type
from orbit.documents.sections import UnreadableError
from orbit.testing import BaseReadContract


class TestOldOffice(BaseReadContract):
    @pytest.fixture
    def plugin_name(self) -> str:
        return "old_office"

    @pytest.fixture
    def file(self) -> SourceFile:
        return SourceFile("costs.xls", xls(("Article", "Price"), ("Tea", 3.0), ("Milk", 2.25)))


def test_a_workbook_of_excel_97(tmp_path):
    from orbit.testing import make_host

    provider = make_host({"echo": {}, "old_office": {}}, tmp_path).registry["old_office"]
    assert isinstance(provider, OldOffice)
    content = provider.read(SourceFile("a.xls", xls(("Article", "Price"), ("Tea", 3.0), ("Milk", 2.25))))
    assert content.sections == (
        Section(
            "Tea | 3\nMilk | 2.25",
            ("Costs",),
            metadata={"sheet": "Costs", "row": 2},
            header="Article | Price",
            kind="table",
        ),
    )
    with pytest.raises(UnreadableError, match="is not a readable file of old Office"):
        provider.read(SourceFile("a.msg", b"x"))


def test_without_it_old_files_say_what_to_do():
    with pytest.raises(UnreadableError, match=r"save it as \.xlsx, or enable the provider 'old_office'"):
        check_type("a.xls")
