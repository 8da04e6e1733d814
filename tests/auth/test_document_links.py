"""The seals of links to documents."""

import time
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from orbit.auth.admin_token import TokenInForce
from orbit.auth.document_links import DocumentLinks
from orbit.config.load import parse_config


def sealing(folder: Path, token: str = "a long admin token of a test") -> DocumentLinks:
    config, _ = parse_config({"general": {"data_dir": str(folder)}}, "the test", {})
    return DocumentLinks(TokenInForce(config, {"ORBIT_ADMIN_TOKEN": token.replace(" ", "-")}), 3600)


def asked(query: str) -> tuple[str, str]:
    fields = parse_qs(query)
    return fields["until"][0], fields["seal"][0]


def test_a_seal_is_for_one_key_collection_document_and_time(tmp_path: Path) -> None:
    links = sealing(tmp_path)
    until, seal = asked(links.query("k1", "books", "a/b.pdf"))
    assert 3600 <= int(until) - time.time() <= 7200
    assert links.holds("k1", "books", "a/b.pdf", until, seal)
    for forged in (
        ("k2", "books", "a/b.pdf", until, seal),
        ("k1", "other", "a/b.pdf", until, seal),
        ("k1", "books", "a/c.pdf", until, seal),
        ("k1", "books", "a/b.pdf", str(int(until) + 1), seal),
        ("k1", "books", "a/b.pdf", until, ""),
        ("k1", "books", "a/b.pdf", until, "\ud800é"),
        ("k1", "books", "a/b.pdf", "soon", seal),
    ):
        assert not links.holds(*forged)


def test_a_seal_ends_with_its_time_and_with_the_admin_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = sealing(tmp_path)
    until, seal = asked(links.query("k1", "books", "a.pdf"))
    assert not sealing(tmp_path, "another admin token").holds("k1", "books", "a.pdf", until, seal)
    monkeypatch.setattr(time, "time", lambda: int(until) + 1.0)
    assert not links.holds("k1", "books", "a.pdf", until, seal)


def test_a_link_names_its_key_and_seals_any_name_of_a_file(tmp_path: Path) -> None:
    links = sealing(tmp_path)
    query = links.query("k1", "books", "caf\udce9.pdf")  # a name that is no UTF-8, as the file system gives it
    until, seal = asked(query)
    assert query == f"key=k1&until={until}&seal={seal}"
    assert links.holds("k1", "books", "caf\udce9.pdf", until, seal)
    assert not links.holds("k1", "books", "caf?.pdf", until, seal)
