"""Scanned pages and pictures become text, with Tesseract itself."""

import shutil
import sys

import pytest
from pdf_kit import line, make_pdf, scanned

from orbit import CallContext, Query
from orbit.config.model import Ingest
from orbit.documents import Options, ingest_paths
from orbit.errors import ConfigError
from orbit.testing.hosting import make_host

pytestmark = pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs tesseract (Debian: tesseract-ocr)")
CONTEXT = CallContext("test", collection="docs")


async def test_a_scanned_contract_is_found_and_cited_by_its_page(tmp_path):
    folder = tmp_path / "contracts"
    folder.mkdir()
    clause = [
        line(72, 700, "Clause 7. The tenant pays the rent by the", 16),
        line(72, 680, "third working day. Late payments cost inter-", 16),
        line(72, 660, "est of five percent.", 16),
    ]
    (folder / "lease.pdf").write_bytes(scanned(make_pdf([line(72, 700, "Lease of the harbour office", 24)], clause)))
    async with make_host({"echo": {}, "lexical": {}, "ocr": {}}, tmp_path / "data") as host:
        options = Options(plugins=host.file_plugins)
        summary = await ingest_paths(host, "docs", [folder], Ingest(readers=1), CONTEXT, None, options)
        [found] = await host.registry.caller("retrieve", "lexical")(
            query=Query("interest on late payments", "docs"), limit=1, context=CONTEXT
        )
        again = await ingest_paths(host, "docs", [folder], Ingest(readers=1), CONTEXT, None, options)
    assert summary.added == ("lease.pdf",)
    assert [warned.warnings for warned in summary.warnings] == [
        ("Pages 1 to 2 are read from pictures; the text there may have mistakes.",)
    ]
    assert "Late payments cost interest of five percent." in " ".join(found.text.split())
    assert found.metadata["page"] == 2
    assert again.unchanged == ("lease.pdf",)


def test_what_tesseract_lacks_is_named(tmp_path):
    for settings, sentence in (
        ({"command": "no-such-program"}, "the program no-such-program is not installed; on Debian: apt install"),
        ({"languages": ["eng", "xyz"]}, "Tesseract has no xyz; on Debian: apt install tesseract-ocr-xyz"),
        ({"languages": ["-l"]}, "ocr.languages"),
    ):
        with pytest.raises(ConfigError) as caught:
            make_host({"echo": {}, "ocr": settings}, tmp_path).raise_problems()
        assert sentence in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Tesseract")
async def test_a_tesseract_that_never_ends_costs_one_picture(tmp_path):
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\n[ \"$1\" = --list-langs ] && printf 'Languages:\\neng\\n' && exit\nexec sleep 1000\n")
    slow.chmod(0o755)
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"\x89PNG")
    (folder / "b.txt").write_text("beside it")
    async with make_host(
        {"echo": {}, "lexical": {}, "ocr": {"command": str(slow), "timeout": 0.2}}, tmp_path / "d"
    ) as host:
        options = Options(plugins=host.file_plugins)
        summary = await ingest_paths(host, "docs", [folder], Ingest(readers=1), CONTEXT, None, options)
    assert summary.added == ("b.txt",)
    assert summary.skipped[0].reason == "could not be recognised within 0.2 s (ocr.timeout)"
