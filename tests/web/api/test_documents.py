"""Documents behind the sources of answers: who may read them, and how browsers show them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import openai
import pytest
from pdf_kit import line, make_pdf

from orbit.admin.collections import Collections
from orbit.auth.keys import new_key
from orbit.database.keys import KeyChanges
from orbit.documents import Options, Origins, ingest_paths
from orbit.testing import serve
from orbit.types import CallContext, Document

QUESTION = {"message": "How long is the notice period of gardeners?", "stream": False}
HTML = "<html><body><p>The notice period of gardeners.</p><script>window.parent.stolen = 1</script></body></html>"
PDF = make_pdf(
    *([line(72, 700, text)] for text in ("Holidays: 30 days.", "The notice period of gardeners is two weeks."))
)
DOCUMENT = Document("1", "The notice period of gardeners.", "x", "x", digest="d")


class Library:
    """A served folder of documents, with a key for their collection."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def ingest(self, *paths: Path, collection: str = "rules") -> None:
        host = self.server.services.host
        options = Options(origins=Origins(host.data_dir / "ingested.db"))
        context = CallContext("test", collection=collection)
        settings = host.config.host.ingest
        self.server.call(ingest_paths(host, collection, paths or (self.folder,), settings, context, None, options))

    def key(self, collection: str | None) -> str:
        secret, record = new_key("another", collection)
        self.server.call(self.server.services.database.create_key(record))
        return secret

    def get(self, source: str, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"X-API-Key": key or self.server.key}
        return httpx.get(f"{self.server.url}/documents/{source}", headers=headers, **options)

    def link(self, ending: str) -> str:
        answer = httpx.post(f"{self.server.url}/chat", json=QUESTION, headers={"X-API-Key": self.server.key}).json()
        return next(str(source["link"]) for source in answer["sources"] if source["source"].endswith(ending))


@contextmanager
def library(tmp_path: Path, **sections: Any) -> Iterator[Library]:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "leave.pdf").write_bytes(PDF)
    (folder / "leave.html").write_text(HTML)
    (folder / "leave für 2024.txt").write_text("The notice period of gardeners: für drei Wochen.", "cp1252")
    config = {
        "echo": {},
        "wordllama": {},
        "chroma": {},
        "documents": {"serve": True},
        "ingest": {"readers": 1},
        **sections,
    }
    with serve(config, tmp_path / "data", collection="rules") as server:
        yield Library(server, folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """One library for the tests that only read."""
    with library(tmp_path_factory.mktemp("library")) as running:
        running.ingest()
        yield running


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[Library]:
    """A library of its own for a test that changes files, keys or collections."""
    with library(tmp_path) as running:
        running.ingest()
        yield running


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """A library to which files of odd names are added."""
    with library(tmp_path_factory.mktemp("downloads")) as running:
        running.ingest()
        yield running


def test_a_source_leads_to_the_page_of_its_file(served: Library) -> None:
    link = served.link(".pdf")
    assert link.startswith(f"{served.server.url}/documents/leave.pdf?")
    assert link.endswith("#page=2")
    answer = httpx.get(link)  # as a browser follows it: without a key
    assert answer.status_code == 200
    assert answer.content == (served.folder / "leave.pdf").read_bytes()
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("inline;")
    assert httpx.head(link).headers["content-length"] == str(len(answer.content))


def test_the_answers_of_v1_have_the_links_as_annotations(served: Library) -> None:
    message: Any = {"role": "user", "content": QUESTION["message"]}
    with openai.OpenAI(base_url=f"{served.server.url}/v1", api_key=served.server.key, max_retries=0) as client:
        whole = client.chat.completions.create(model="orbit", messages=[message]).choices[0].message
        stream = client.chat.completions.create(model="orbit", messages=[message], stream=True)
        streamed: list[Any] = [chunk.choices[0].delta for chunk in stream]
    cited = [one.url_citation for one in whole.annotations or ()]
    first = next(one for one in cited if urlsplit(one.url).path == "/documents/leave.pdf")
    assert first.title == "leave, page 2"
    assert urlsplit(first.url).fragment == "page=2"
    assert httpx.get(first.url).content.startswith(b"%PDF")
    assert (first.start_index, first.end_index) == (0, len(whole.content or ""))
    (same,) = [delta.annotations for delta in streamed if hasattr(delta, "annotations")]
    assert [one["url_citation"]["url"] for one in same] == [one.url for one in cited]


def test_a_page_shows_its_text_and_runs_no_script(served: Library) -> None:
    answer = served.get("leave.html")
    assert answer.headers["content-type"] == "text/html"
    policy = answer.headers["content-security-policy"].split("; ")
    assert {"sandbox", "default-src 'none'"} <= set(policy)
    assert not any(part.startswith(("script-src", "sandbox ")) for part in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_texts_have_the_encoding_that_they_are_in(served: Library) -> None:
    answer = served.get("leave für 2024.txt")
    assert answer.headers["content-type"] == "text/plain; charset=windows-1252"
    assert "für drei Wochen" in answer.text
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''leave%20f%C3%BCr%202024.txt"


def test_texts_are_shown_line_by_line_where_a_link_asks_for_it(
    served: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = served.link(".txt")
    assert "&lines=1#:~:text=The%20notice" in link
    answer = httpx.get(link)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert {"sandbox", "default-src 'none'"} <= set(answer.headers["content-security-policy"].split("; "))
    assert '<div id="line1" dir="auto">The notice period of gardeners: für drei Wochen.</div>' in answer.text
    monkeypatch.setattr("orbit.web.api.documents._MOST_LINED", 10)
    assert httpx.get(link).headers["content-type"].startswith("text/plain")
    assert served.get("leave.pdf?lines=1").headers["content-type"] == "application/pdf"


@pytest.mark.parametrize("name", ["page.svg", "office.docx", "program.exe", "page.xhtml.mht", "no ending"])
def test_what_browsers_could_run_is_a_download(downloads: Library, name: str) -> None:
    origins = Origins(downloads.server.services.host.data_dir / "ingested.db")
    shutil.copy(downloads.folder / "leave.html", downloads.folder / name)
    known = origins.find("rules", "leave.html")
    assert known is not None
    copied = msgspec.structs.replace(known, path=downloads.folder / name)
    origins.claim("rules", {name: str(downloads.folder)}, {name: copied})
    store = downloads.server.services.host
    found = downloads.server.call(store.list_sources("rules", CallContext("test")))
    assert name not in found
    assert downloads.get(name).status_code == 404  # the collection does not hold it
    added = msgspec.structs.replace(DOCUMENT, id=name, source=name)
    downloads.server.call(store.index("rules", [added], CallContext("t", collection="rules")))
    answer = downloads.get(name)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_only_keys_of_the_collection_read_it(served: Library) -> None:
    assert served.get("leave.pdf").status_code == 200
    for other in (served.key("others"), served.key(None)):
        assert served.get("leave.pdf", other).status_code == 404
    assert served.get("leave.pdf", "api_wrong").status_code == 401
    assert httpx.get(f"{served.server.url}/documents/leave.pdf").status_code == 401


def expired(link: str) -> str:
    address, _, query = link.partition("?")
    return f"{address}?{query.replace('until=', 'until=1')}"


@pytest.mark.parametrize(
    "forge",
    [
        expired,
        lambda link: link.replace("leave.pdf", "leave.html"),
        lambda link: link.replace("seal=", "seal=0"),
        lambda link: link.replace("key=", "key=x"),
        lambda link: link.replace("until=", "until="),
        lambda link: link.partition("&until")[0] + "&seal=1",
    ],
)
def test_a_link_that_was_changed_opens_nothing(served: Library, forge: Callable[[str], str]) -> None:
    link = served.link(".pdf").partition("#")[0]
    forged = forge(link)
    if forged == link:
        assert httpx.get(link).status_code == 200
        return
    answer = httpx.get(forged)
    assert (answer.status_code, answer.json()["code"]) == (403, "link_expired")


@pytest.mark.parametrize("change", [{"active": False}, {"collection_name": "others"}, {"expires_at": 1.0}], ids=str)
def test_a_link_ends_with_its_key(changing: Library, change: dict[str, Any]) -> None:
    link = changing.link(".pdf")
    database = changing.server.services.database
    assert httpx.get(link).status_code == 200

    async def first() -> str:
        (key,) = await database.list_keys()
        return str(key.id)

    changing.server.call(database.update_key(changing.server.call(first()), KeyChanges(**change)))
    assert httpx.get(link).status_code == 403


def test_nothing_outside_the_given_folder_is_served(changing: Library, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    for path in ("../secret.txt", "..%2fsecret.txt", "%2e%2e/secret.txt", "/secret.txt", str(secret), "", "given"):
        answer = changing.get(path)
        assert answer.status_code in {404, 405}
        assert b"secret\n" not in answer.content
    for swap in (secret, tmp_path / "nowhere"):  # a link in place of the file that was ingested
        (changing.folder / "leave.pdf").unlink(missing_ok=True)
        (changing.folder / "leave.pdf").symlink_to(swap)
        assert changing.get("leave.pdf").status_code == 404


def test_a_removed_document_is_not_served_and_a_renamed_collection_is(changing: Library) -> None:
    services = changing.server.services
    collections = Collections(services.host, services.database, "test")
    changing.server.call(collections.remove("rules", ["leave.html"]))
    assert changing.get("leave.html").status_code == 404
    changing.server.call(collections.rename("rules", "laws"))
    assert changing.get("leave.pdf").status_code == 200
    changing.server.call(collections.copy("laws", "copy"))
    assert changing.get("leave.pdf", changing.key("copy")).status_code == 200


def test_files_given_by_name_are_served_without_their_neighbours(tmp_path: Path) -> None:
    with library(tmp_path) as running:
        running.ingest(running.folder / "leave.pdf")
        assert running.get("leave.pdf").status_code == 200
        assert running.get("leave.html").status_code == 404


def test_uploads_have_no_link(tmp_path: Path) -> None:
    with library(tmp_path) as running:
        token = (running.server.services.config.data_dir / "admin-token").read_text().strip()
        url = f"{running.server.url}/admin/collections/rules/documents"
        text = b"The notice period of gardeners is long."
        sent = httpx.post(url, files={"files": ("sent.txt", text)}, headers={"Authorization": f"Bearer {token}"})
        assert sent.status_code == 200
        assert running.link("sent.txt") == ""
        assert running.get("sent.txt").status_code == 404


def test_without_the_setting_nothing_is_served(tmp_path: Path) -> None:
    with library(tmp_path, documents={}) as running:
        running.ingest()
        assert running.get("leave.pdf").status_code == 404
        assert running.link(".pdf") == ""


def test_links_have_the_address_of_the_setting_or_of_the_path(tmp_path: Path) -> None:
    with library(tmp_path, general={"root_path": "/help"}) as running:
        running.ingest()
        assert running.link(".pdf").startswith(f"{running.server.url}/help/documents/leave.pdf?")
        assert httpx.get(running.link(".pdf")).status_code == 200
    (tmp_path / "other").mkdir()
    with library(tmp_path / "other", documents={"serve": True, "address": "https://chat.example.org/"}) as running:
        running.ingest()
        assert running.link(".pdf").startswith("https://chat.example.org/documents/leave.pdf?")


def test_a_large_file_comes_whole(tmp_path: Path) -> None:
    with library(tmp_path) as running:
        big = running.folder / "big.txt"
        big.write_text("The notice period of gardeners is long.\n" + "x" * 1_000_000 + "\n")
        running.ingest(big)
        assert running.get("big.txt").content == big.read_bytes()
