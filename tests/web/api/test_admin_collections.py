"""Collections over HTTP: what is in them, putting files in, and taking them out."""

import io
import json
import socket
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

import httpx
import pytest

import orbit
from orbit.testing import Cabinet, serve
from orbit.web.api.admin import multipart
from orbit.web.api.admin.multipart import clean_name

TOKEN = "the-administrators-own-token"
CORRUPT_PDF = b"%PDF-1.7\nthis is no object\n%%EOF"


class SlowCabinet(Cabinet):
    """Takes its time with documents that ask for it, and refuses others."""

    begun = 0
    stopped = 0
    allowed = threading.Event()

    @orbit.hookimpl
    async def index(self, collection, documents, context):  # type: ignore[override]  # a hook takes what it wants
        import asyncio

        context.notices.extend(orbit.Notice(one.text, "read in part") for one in documents if "long" in one.text)

        if any("refuse me" in document.text for document in documents):
            raise orbit.ProviderError("the cabinet is full", kind="unavailable")
        if any("take your time" in document.text for document in documents):
            SlowCabinet.begun += 1
            try:
                while not self.allowed.is_set():  # noqa: ASYNC110  # the test is in another thread
                    await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                SlowCabinet.stopped += 1
                raise
        return await super().index(collection, documents)


CONFIG = {
    "echo": {},
    "cabinet": {},
    "timeouts": {"ping": 0.2, "receive": 1.0},
    "ingest": {"readers": 1, "max_file_bytes": 1_000, "max_upload_bytes": 20_000, "batch_size": 1},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        with serve(CONFIG, tmp_path_factory.mktemp("admin"), {"cabinet": SlowCabinet}) as running:
            yield running


@pytest.fixture
def admin(server):
    server.provider("cabinet").drawers.clear()
    SlowCabinet.allowed.set()
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
        yield client


def upload(admin, collection, *files):
    """The lines of the answer, the last apart."""
    response = admin.post(f"/admin/collections/{collection}/documents", files=[("files", file) for file in files])
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    *steps, last = [json.loads(line) for line in response.text.splitlines()]
    return steps, last


def is_problem(response, status, code):
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    return response.json()["detail"]


def test_uploaded_files_are_ingested_and_each_is_accounted_for(admin):
    files = [
        ("hours.md", b"# Hours\n\nThe museum opens at nine."),
        ("broken.pdf", CORRUPT_PDF),
        ("picture.png", b"\x89PNG"),
        ("large.txt", b"x" * 1_001),
        ("empty.txt", b""),
        ("tickets.txt", b"A ticket costs ten."),
    ]
    steps, summary = upload(admin, "museum", *files)
    assert summary["event"] == "summary"
    assert (summary["added"], summary["updated"], summary["unchanged"]) == (["hours.md", "tickets.txt"], [], [])
    reasons = {skipped["source"]: skipped["reason"] for skipped in summary["skipped"]}
    assert set(reasons) == {"broken.pdf", "picture.png", "large.txt", "empty.txt"}
    assert "PDF" in reasons["broken.pdf"]
    assert "ORBIT does not read" in reasons["picture.png"]
    assert "larger than 1,000 bytes" in reasons["large.txt"]
    assert reasons["empty.txt"] == "is empty"
    assert {step["event"] for step in steps} == {"progress"}
    assert {step["total"] for step in steps} == {6}
    assert sorted(step["done"] for step in steps) == [step["done"] for step in steps]
    assert summary["passages"] == 2

    _, again = upload(admin, "museum", files[0], ("tickets.txt", b"A ticket costs eleven."))
    assert (again["added"], again["updated"], again["unchanged"]) == ([], ["tickets.txt"], ["hours.md"])


def test_files_with_passages_too_long_to_embed_are_named(admin):
    _, summary = upload(admin, "museum", ("hours.md", b"It opens at nine."), ("history.txt", b"A long story."))
    assert summary["shortened"] == [{"source": "history.txt", "passages": 1, "reason": "read in part"}]
    assert summary["added"] == ["hours.md", "history.txt"]


def test_what_was_uploaded_answers_questions(server, admin):
    upload(admin, "museum", ("hours.md", b"The museum opens at nine."))
    key = admin.post("/admin/api-keys", json={"client_name": "x", "collection_name": "museum"}).json()["api_key"]
    question = {"message": "when does the museum open", "stream": False}
    answer = httpx.post(f"{server.url}/chat", json=question, headers={"X-API-Key": key}).json()
    assert [source["source"] for source in answer["sources"]] == ["hours.md"]


def test_collections_and_their_documents_are_listed(admin):
    upload(admin, "one", *((f"{name}.txt", f"text of {name}".encode()) for name in ("b", "A", "c", "d")))
    upload(admin, "two", ("only.txt", b"text"))
    library = admin.get("/admin/collections").json()
    assert [(one["name"], one["passages"]) for one in library["collections"]] == [("one", 4), ("two", 1)]
    assert (library["store"], library["can_remove"], library["max_file_bytes"]) == ("cabinet", True, 1_000)
    assert ".pdf" in library["readable"]
    page = admin.get("/admin/collections/one/documents", params={"limit": 3}).json()
    assert (page["total"], page["found"]) == (4, 4)
    assert [document["source"] for document in page["documents"]] == ["A.txt", "b.txt", "c.txt"]
    rest = admin.get("/admin/collections/one/documents", params={"limit": 3, "after": "c.txt"}).json()
    assert rest["documents"] == [{"source": "d.txt", "complete": True}]
    some = admin.get("/admin/collections/one/documents", params={"contains": "B."}).json()
    assert (some["total"], some["found"], some["documents"][0]["source"]) == (4, 1, "b.txt")
    assert admin.get("/admin/collections/never/documents").json() == {"total": 0, "found": 0, "documents": []}


def test_a_document_is_removed(admin):
    upload(admin, "one", ("folder/a b&c.txt", b"text"), ("kept.txt", b"text"))
    where = "/admin/collections/one/documents"
    assert admin.delete(where, params={"source": "folder/a b&c.txt"}).status_code == 200
    assert [document["source"] for document in admin.get(where).json()["documents"]] == ["kept.txt"]
    is_problem(admin.delete(where, params={"source": "folder/a b&c.txt"}), 404, "unknown_document")
    is_problem(admin.delete(where), 400, "invalid_request")


def test_a_collection_is_dropped_only_by_who_gives_its_name(admin):
    upload(admin, "one", ("a.txt", b"text"))
    is_problem(admin.delete("/admin/collections/one"), 400, "not_confirmed")
    is_problem(admin.delete("/admin/collections/one", params={"confirm": "two"}), 400, "not_confirmed")
    assert admin.delete("/admin/collections/one", params={"confirm": "one"}).status_code == 200
    assert admin.get("/admin/collections").json()["collections"] == []
    is_problem(admin.delete("/admin/collections/one", params={"confirm": "one"}), 404, "unknown_document")


def test_progress_is_told_while_it_goes_on(admin):
    SlowCabinet.allowed.clear()
    files = [("files", ("quick.txt", b"quick")), ("files", ("slow.txt", b"take your time")), ("files", ("z.txt", b"z"))]
    with admin.stream("POST", "/admin/collections/one/documents", files=files) as response:
        steps = []
        for line in response.iter_lines():
            steps.append(json.loads(line))
            if len(steps) == 4:  # also that nothing is new is told, so that proxies keep the connection
                SlowCabinet.allowed.set()
    assert {step["done"] for step in steps[:4]} <= {0, 1}
    assert steps[-1]["event"] == "summary"
    assert steps[-1]["added"] == ["quick.txt", "slow.txt", "z.txt"]


def test_who_leaves_ends_the_work(admin):
    SlowCabinet.allowed.clear()
    before, begun = SlowCabinet.stopped, SlowCabinet.begun
    folders = set(Path(tempfile.gettempdir()).glob("orbit-upload-*"))
    files = [("files", ("slow.txt", b"take your time"))]
    with admin.stream("POST", "/admin/collections/one/documents", files=files) as response:
        lines = response.iter_lines()
        while SlowCabinet.begun == begun:  # until then, the file is being read
            next(lines)
    deadline = time.monotonic() + 10
    while SlowCabinet.stopped == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while set(Path(tempfile.gettempdir()).glob("orbit-upload-*")) - folders:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_the_store_refuses_has_failed_and_the_rest_goes_on(admin):
    _, summary = upload(admin, "one", ("bad.txt", b"refuse me"), ("good.txt", b"good"))
    assert summary["added"] == ["good.txt"]
    assert summary["failed"][0]["source"] == "bad.txt"
    assert "the cabinet is full" in summary["failed"][0]["reason"]


def test_an_upload_that_cannot_begin_is_an_error_with_a_status(admin, server, monkeypatch):
    async def away(*_, **__):
        raise orbit.ProviderError("the database is gone", kind="unavailable", provider="cabinet")

    monkeypatch.setattr(server.services.host, "list_sources", away)
    response = admin.post("/admin/collections/one/documents", files=[("files", ("a.txt", b"text"))])
    assert "the database is gone" in is_problem(response, 503, "provider_unavailable")


def test_a_server_without_a_store_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with (
        serve({"echo": {}}, tmp_path) as running,
        httpx.Client(base_url=running.url, headers={"X-Admin-Token": TOKEN}) as admin,
    ):
        library = admin.get("/admin/collections").json()
        assert (library["store"], library["can_remove"], library["collections"]) == ("", False, [])
        response = admin.post("/admin/collections/one/documents", files=[("files", ("a.txt", b"text"))])
        assert "enable a store" in is_problem(response, 503, "provider_failed")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{}", 415, "unsupported_media_type"),
        ("multipart/form-data", b"x", 400, "invalid_multipart"),
        ("multipart/form-data; boundary=b", b"", 400, "invalid_multipart"),
        ("multipart/form-data; boundary=b", b"nonsense", 400, "invalid_multipart"),
        ("multipart/form-data; boundary=b", b"--b\r\nno header\r\n\r\n", 400, "invalid_multipart"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\ncut sho',
            400,
            "invalid_multipart",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nfield\r\n--b--\r\n',
            400,
            "no_file",
        ),
    ],
)
def test_a_body_that_is_no_upload_is_refused_with_a_reason(admin, content_type, body, status, code):
    headers = {"Content-Type": content_type}
    response = admin.post("/admin/collections/one/documents", content=body, headers=headers)
    assert len(is_problem(response, status, code)) > 20
    assert admin.get("/admin/collections").json()["collections"] == []


def test_an_upload_may_not_be_larger_than_the_configuration_says(admin):
    files = [("files", (f"{number}.txt", io.BytesIO(b"x" * 1_000))) for number in range(25)]
    response = admin.post("/admin/collections/one/documents", files=files)
    assert "ingest.max_upload_bytes" in is_problem(response, 413, "body_too_large")


def test_more_parts_than_an_upload_may_have(admin, monkeypatch):
    monkeypatch.setattr(multipart, "MAX_FILES", 3)
    files = [("files", (f"{number}.txt", b"text")) for number in range(4)]
    response = admin.post("/admin/collections/one/documents", files=files)
    assert "more than 3 parts" in is_problem(response, 400, "invalid_multipart")


def test_no_room_for_the_upload_is_said_so(admin, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    response = admin.post("/admin/collections/one/documents", files=[("files", ("a.txt", b"text"))])
    assert "No such file" in is_problem(response, 507, "insufficient_storage")


NAMES = [
    ("../../etc/passwd.txt", "etc/passwd.txt"),
    ("/etc/passwd.txt", "etc/passwd.txt"),
    ("a//b/./c.md", "a/b/c.md"),
    ("..", "unnamed"),
    ("<img src=x onerror=alert(1)>.md", "<img src=x onerror=alert(1)>.md"),
    ("line\nfeed.md", "line\N{REPLACEMENT CHARACTER}feed.md"),
    ("right\u202eto left.md", "right\N{REPLACEMENT CHARACTER}to left.md"),
    ("nul\0.md", "nul\N{REPLACEMENT CHARACTER}.md"),
    ("日本語 ünïcode.md", "日本語 ünïcode.md"),
    ("'; DROP TABLE x; --.md", "'; DROP TABLE x; --.md"),
    ("x" * 5_000 + ".md", "x" * 200 + "…" + "x" * 97 + ".md"),
]


@pytest.mark.parametrize(("given", "kept"), NAMES)
def test_names_are_data(given, kept):
    assert clean_name(given) == kept


def test_odd_names_come_back_as_they_are_stored(admin):
    wanted = [(given, kept) for given, kept in NAMES if kept.endswith(".md")]
    _, summary = upload(
        admin, "odd", *((given.replace("\0", ""), f"text {len(given)} {kept[:9]}".encode()) for given, kept in wanted)
    )
    assert not summary["failed"]
    stored = {document["source"] for document in admin.get("/admin/collections/odd/documents").json()["documents"]}
    assert {kept for given, kept in wanted if "\0" not in given} <= stored
    assert not Path("/etc/passwd.txt").exists()


def raw_upload(server, pieces, pause, missing=0):
    """Send the pieces of an upload with pauses, but for some bytes at the end; the status of the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    body = b"".join(pieces)
    head = (
        "POST /admin/collections/slow/documents HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        f"Content-Length: {len(body) + missing}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode())
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        answer = connection.makefile("rb").readline()
    return int(answer.split()[1])


PIECES = [
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n',
    *(b"word%d " % number for number in range(6)),
    b"\r\n--b--\r\n",
]


def test_a_slow_upload_has_its_time_for_each_piece(server, admin):
    assert raw_upload(server, PIECES, 0.4) == 200  # longer than timeouts.receive altogether


def test_an_upload_that_stands_still_is_given_up(server, admin):
    assert raw_upload(server, PIECES[:3], 0.0, missing=100) == 408


BAD_NAMES = [
    "guide.next",
    "Größe",
    "my docs",
    "a..b",
    "192.168.0.1",
    "a",
    "-dash",
    "dash-",
    "x" * 201,
    "a\nb",
    "../etc",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cannot_name_a_collection_is_refused_where_it_first_appears(admin, name):
    """In the key already, so that nobody holds a key which can never answer."""
    made = admin.post("/admin/api-keys", json={"client_name": "x", "collection_name": name})
    if len(name) <= 200:
        assert "cannot name a collection; " in is_problem(made, 422, "invalid_collection_name")
    assert made.status_code in (400, 422)
    key = admin.post("/admin/api-keys", json={"client_name": "x", "collection_name": "museum"}).json()["id"]
    changed = admin.patch(f"/admin/api-keys/{key}", json={"collection_name": name})
    assert changed.status_code in (400, 422)
    if "/" not in name and "\n" not in name:  # no such name gets as far as the route
        where = f"/admin/collections/{urllib.parse.quote(name)}/documents"
        sent = admin.post(where, files=[("files", ("a.txt", b"text"))])
        is_problem(sent, 422, "invalid_collection_name")
    assert name not in {one["name"] for one in admin.get("/admin/collections").json()["collections"]}


@pytest.mark.parametrize("name", ["abc", "a.b", "A_1-2.c", "1.2.3", "192.168.0.1.x", "x" * 200])
def test_a_name_that_every_store_takes_is_accepted(admin, name):
    assert admin.post("/admin/api-keys", json={"client_name": "x", "collection_name": name}).status_code == 201


def test_an_upload_that_is_empty_now_stops_answering(admin):
    upload(admin, "museum", ("policy.txt", b"Returns within 30 days."), ("hours.md", b"It opens at nine."))
    _, summary = upload(admin, "museum", ("policy.txt", b""))
    assert summary["removed"] == [{"source": "policy.txt", "reason": "is empty"}]
    documents = admin.get("/admin/collections/museum/documents").json()["documents"]
    assert [document["source"] for document in documents] == ["hours.md"]


def test_a_key_without_its_collection_is_the_operators_business(tmp_path, caplog):
    """The server log names it at the start and at each question. The client gets a general sentence."""
    config: dict[str, Any] = {"echo": {}, "bag": {}, "chroma": {}}
    with serve(config, tmp_path, collection="missing") as server:
        assert "API keys name collections that do not exist" in caplog.text
        assert "'missing' (keys of " in caplog.text
        question = {"message": "when does the museum open", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=question, headers={"X-API-Key": server.key})
        assert answer.status_code == 503
        assert "missing" not in answer.text
        assert "The collection 'missing' does not exist" in caplog.text
    caplog.clear()
    (tmp_path / "a.txt").write_text("The museum opens at nine.")
    with serve(config, tmp_path, collection="missing") as server:
        server.call(
            server.services.host.index("missing", [orbit.Document("1", "text", "a.txt")], orbit.CallContext("x"))
        )
    caplog.clear()
    with serve(config, tmp_path, collection="missing"):
        assert "collections that do not exist" not in caplog.text
