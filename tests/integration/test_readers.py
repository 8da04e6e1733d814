"""Filters and restricted files from a client's side: no route of a served ORBIT shows what a key may not read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orbit.admin.service import Administration
from orbit.admin.wire import KeyUpdate
from orbit.auth.keys import new_key
from orbit.documents import Options, Origins, ingest_paths
from orbit.testing import serve
from orbit.types import CallContext

QUESTION = "How much does the director of the harbour earn?"
FILES = {
    "open.md": ("The director of the harbour earns what the law says.", {"year": 2020}, ()),
    "secret.md": ("The director of the harbour earns 9,000 a month.", {"year": 2026}, ("hr",)),
    "other.md": ("The director of the harbour and the captain earn the same.", {"year": 2024}, ()),
}
TOKEN = "the-administrators-own-token"


class Served:
    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.plain: str = server.key
        self.ids: dict[str, str] = {}
        host = server.services.host
        context = CallContext("test", collection="docs")
        for name, (text, metadata, readers) in FILES.items():
            (folder / name).write_text(text)
            options = Options(origins=Origins.of(host.data_dir), metadata=metadata, readers=readers)
            server.call(ingest_paths(host, "docs", [folder / name], host.config.host.ingest, context, None, options))
        self.hr = self.key("hr")
        self.sales = self.key("sales")

    def key(self, *groups: str) -> str:
        secret, record = new_key("somebody", "docs", groups=groups)
        self.server.call(self.server.services.database.create_key(record))
        self.ids[secret] = record.id
        return secret

    def post(self, path: str, key: str, **body: Any) -> httpx.Response:
        headers = {"X-API-Key": key, "Authorization": f"Bearer {key}"}
        return httpx.post(f"{self.server.url}{path}", json=body, headers=headers, timeout=20)

    def sources(self, key: str, **body: Any) -> list[str]:
        answer = self.post("/chat", key, message=QUESTION, stream=False, **body).json()
        return sorted(source["source"] for source in answer["sources"])

    def get(self, path: str, key: str) -> httpx.Response:
        return httpx.get(f"{self.server.url}{path}", headers={"X-API-Key": key}, timeout=20)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    config: dict[str, Any] = {
        "echo": {},
        "wordllama": {},
        "chroma": {},
        "lexical": {},
        "cache": {},
        "mcp": {"serve": True},
        "documents": {"serve": True},
        "retrieval": {"threshold": 0},
    }
    (tmp_path / "given").mkdir()
    with serve(config, tmp_path / "data", collection="docs") as server:
        yield Served(server, tmp_path / "given")


def test_a_key_reads_what_its_groups_allow(served: Served) -> None:
    everything = ["open.md", "other.md", "secret.md"]
    for _ in range(2):  # the second time, there is an answer cache
        assert served.sources(served.plain) == ["open.md", "other.md"]
        assert served.sources(served.sales) == ["open.md", "other.md"]
        assert served.sources(served.hr) == everything
    for path, body in (
        ("/search", {"question": QUESTION}),
        ("/v1/chat/completions", {"model": "orbit", "messages": [{"role": "user", "content": QUESTION}]}),
        ("/v1/completions", {"model": "orbit", "prompt": QUESTION}),
        ("/v1/responses", {"model": "orbit", "input": QUESTION}),
        ("/v1/responses", {"model": "orbit", "input": QUESTION, "stream": True}),
        ("/v1/messages", {"model": "orbit", "max_tokens": 99, "messages": [{"role": "user", "content": QUESTION}]}),
        ("/chat", {"message": QUESTION}),
        ("/chat", {"message": QUESTION, "session_id": "new"}),
    ):
        for key, sees in ((served.plain, False), (served.sales, False), (served.hr, True)):
            answer = served.post(path, key, **body)
            assert answer.status_code == 200, answer.text
            assert ("secret.md" in answer.text) is sees, path
            assert ("9,000" in answer.text) is (sees and path != "/v1/nothing"), path


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat", {"message": QUESTION, "stream": False}),
        ("/search", {"question": QUESTION}),
        ("/v1/chat/completions", {"model": "orbit", "messages": [{"role": "user", "content": QUESTION}]}),
        ("/v1/completions", {"model": "orbit", "prompt": QUESTION}),
        ("/v1/responses", {"model": "orbit", "input": QUESTION}),
        ("/v1/messages", {"model": "orbit", "max_tokens": 99, "messages": [{"role": "user", "content": QUESTION}]}),
    ],
)
def test_every_protocol_takes_a_filter(served: Served, path: str, body: dict[str, Any]) -> None:
    recent = {"type": "gte", "key": "year", "value": 2024}
    answer = served.post(path, served.hr, **body, filter=recent).text
    assert [name in answer for name in FILES] == [False, True, True]
    named = {"type": "or", "filters": [{"type": "eq", "key": "source", "value": name} for name in list(FILES)[:2]]}
    answer = served.post(path, served.plain, **body, filter=named).text
    assert [name in answer for name in FILES] == [True, False, False]
    refused = served.post(path, served.hr, **body, filter={"type": "and", "filters": [{"type": "like"}]})
    assert refused.status_code == 400
    assert "filter.filters[0].type" in refused.text
    assert served.post(path, served.hr, **body, filter="year > 2024").status_code == 400


def test_a_filter_that_nothing_meets_finds_nothing(served: Served) -> None:
    assert served.sources(served.hr, filter={"type": "eq", "key": "absent", "value": 1}) == []
    assert len(served.sources(served.hr, filter={"type": "ne", "key": "absent", "value": 1})) == 3


def test_a_restricted_file_is_opened_by_its_readers_alone(served: Served) -> None:
    assert served.get("/documents/open.md", served.plain).status_code == 200
    assert served.get("/documents/secret.md", served.hr).status_code == 200
    missing = served.get("/documents/never.md", served.plain)
    for key in (served.plain, served.sales):
        refused = served.get("/documents/secret.md", key)
        assert refused.status_code == 404
        assert refused.json()["detail"] == missing.json()["detail"].replace("never", "secret"), "it does not exist"


def test_a_link_ends_with_the_group_that_opened_it(served: Served) -> None:
    found = served.post("/chat", served.hr, message=QUESTION, stream=False).json()["sources"]
    link = next(source["link"] for source in found if source["source"] == "secret.md")
    assert httpx.get(link).status_code == 200
    administration = Administration(served.server.services.database)
    served.server.call(administration.update_key(served.ids[served.hr], KeyUpdate(groups=())))
    assert httpx.get(link).status_code == 404
    assert served.sources(served.hr) == ["open.md", "other.md"], "nor is the answer in a cache"


def test_a_key_that_loses_a_group_loses_what_it_was_told(served: Served) -> None:
    answer = served.post("/chat", served.hr, message=QUESTION, stream=False, session_id="new").json()
    kept = served.post("/v1/responses", served.hr, model="orbit", input=QUESTION).json()
    session, response = f"/chat/sessions/{answer['session_id']}", f"/v1/responses/{kept['id']}"
    bearer = {"Authorization": f"Bearer {served.hr}"}
    assert "9,000" in served.get(session, served.hr).text
    assert "9,000" in httpx.get(f"{served.server.url}{response}", headers=bearer).text
    administration = Administration(served.server.services.database)
    more, fewer = KeyUpdate(groups=("hr", "legal")), KeyUpdate(groups=("legal",))
    served.server.call(administration.update_key(served.ids[served.hr], more))
    assert "9,000" in served.get(session, served.hr).text
    served.server.call(administration.update_key(served.ids[served.hr], fewer))
    assert served.get(session, served.hr).status_code == 404
    assert httpx.get(f"{served.server.url}{response}", headers=bearer).status_code == 404


def test_uploads_have_readers_and_metadata(served: Served) -> None:
    def upload(query: str, text: str = "The director of the harbour sails.") -> httpx.Response:
        url = f"{served.server.url}/admin/collections/docs/documents{query}"
        files = {"files": ("new.md", text.encode())}
        return httpx.post(url, files=files, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)

    def last(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text.splitlines()[-1])

    assert last(upload("?reader=hr&reader=legal&metadata=year=2001"))["added"] == ["new.md"]
    old = {"type": "eq", "key": "year", "value": 2001}
    assert served.sources(served.hr, filter=old) == ["new.md"]
    assert served.sources(served.plain, filter=old) == []
    assert last(upload("", "The director of the harbour rows."))["updated"] == ["new.md"]
    assert served.sources(served.plain, filter=old) == [], "who says nothing of readers keeps them"
    assert last(upload("?reader="))["updated"] == ["new.md"]
    assert served.sources(served.plain, filter=old) == ["new.md"]
    assert upload("?metadata=year").status_code == 400
    assert upload("?reader=a,b").status_code == 400


def test_tools_of_mcp_read_as_the_key_does(served: Served) -> None:
    def call(key: str) -> str:
        params = {"name": "search", "arguments": {"question": QUESTION}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        headers = {"Authorization": f"Bearer {key}", "Accept": "application/json, text/event-stream"}
        return httpx.post(f"{served.server.url}/mcp", json=body, headers=headers, timeout=20).text

    assert "9,000" in call(served.hr)
    assert "other.md" in call(served.plain) or "captain" in call(served.plain)
    assert "9,000" not in call(served.plain)
