"""``orbit sync`` with real file systems: a folder, S3, WebDAV and an HTTP index."""

import importlib.util
import json
import os
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler

import loopback
import pytest
from cheroot import wsgi
from s3_wire import bucket
from wsgidav.wsgidav_app import WsgiDAVApp  # type: ignore[import-untyped]  # has no types

from orbit.cli import main
from orbit.testing import make_host


@pytest.fixture
def papers(tmp_path):
    """A folder with three papers and a hidden one."""
    folder = tmp_path / "papers"
    (folder / "old").mkdir(parents=True)
    (folder / "tea.md").write_text("# Tea\n\nTea is steeped for three minutes.")
    (folder / "old" / "water.txt").write_text("Water boils.")
    (folder / "old" / "sand dunes.txt").write_text("Dunes wander.")
    (folder / ".secret.txt").write_text("hidden")
    return folder


@pytest.fixture
def orbit_sync(tmp_path, monkeypatch, capsys):
    """Calls the command with a section ``papers`` and gives exit code, summary (or standard output) and errors."""
    monkeypatch.chdir(tmp_path)

    def call(settings, *arguments, plain=False):
        config = {
            "general": {"data_dir": "data"},
            "echo": {},
            "lexical": {},
            "ingest": {"readers": 1},
            "sync": {"collections": {"papers": "docs"}},
        }
        (tmp_path / "config.yaml").write_text(json.dumps({**config, "papers": {"use": "fsspec", **settings}}))
        monkeypatch.setattr(sys, "argv", ["orbit", "sync", *arguments, *(() if plain else ("--json",))])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out if plain or not printed.out else json.loads(printed.out), printed.err

    return call


@contextmanager
def webdav(folder):
    settings = {
        "provider_mapping": {"/": str(folder)},
        "simple_dc": {"user_mapping": {"*": {"orbit": {"password": "s3cret"}}}},
        "verbose": 0,
        "logging": {"enable": False},
    }
    server = wsgi.Server(("127.0.0.1", 0), WsgiDAVApp(settings), numthreads=2)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield {
            "url": f"webdav+http://127.0.0.1:{server.bind_addr[1]}/",
            "credentials": {"user": "orbit", "password": "s3cret"},
        }
    finally:
        server.stop()
        thread.join()


@contextmanager
def http_index(folder):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with loopback.served(partial(Quiet, directory=str(folder))) as url:
        yield {"url": f"{url}/"}


@contextmanager
def local(folder):
    yield {"url": str(folder)}


@pytest.mark.parametrize("served", [local, webdav, http_index], ids=["folder", "webdav", "http"])
def test_new_changed_and_deleted_files(papers, orbit_sync, served):
    with served(papers) as settings:
        code, outcome, err = orbit_sync(settings)
        summary = outcome["summary"]
        assert (code, outcome["incomplete"]) == (0, ""), err
        assert set(summary["added"]) == {"papers/tea.md", "papers/old/water.txt", "papers/old/sand dunes.txt"}

        code, outcome, _ = orbit_sync(settings)
        assert (code, len(outcome["summary"]["unchanged"]), outcome["summary"]["passages"]) == (0, 3, 0)

        (papers / "tea.md").write_text("# Tea\n\nTea is steeped for four minutes, or five.")
        (papers / "old" / "water.txt").unlink()
        _, outcome, _ = orbit_sync(settings)
        assert outcome["summary"]["updated"] == ["papers/tea.md"]
        assert [removed["source"] for removed in outcome["summary"]["removed"]] == ["papers/old/water.txt"]


def test_a_folder_that_is_not_there(orbit_sync, tmp_path):
    code, outcome, _ = orbit_sync({"url": str(tmp_path / "gone")})
    assert code == 1
    assert f"{tmp_path}/gone cannot be listed: No such file or directory." in outcome["incomplete"]


def test_a_bucket(orbit_sync):
    with bucket() as objects:
        objects.objects = {f"in/{number}.txt": b"paper %d" % number for number in range(5)} | {"out/x.txt": b"not this"}
        options = {"endpoint": objects.endpoint, "region": "eu-west-1"}
        credentials = {"access_key_id": "reader", "secret_access_key": "s3cret"}
        settings = {"url": "s3://papers/in", "options": options, "credentials": credentials}
        _, outcome, err = orbit_sync(settings)
        assert sorted(outcome["summary"]["added"]) == [f"papers/{number}.txt" for number in range(5)], (outcome, err)

        objects.read.clear()
        objects.objects["in/3.txt"] = b"paper three"
        del objects.objects["in/4.txt"]
        _, outcome, _ = orbit_sync(settings)
        assert objects.read == ["in/3.txt"]
        assert [removed["source"] for removed in outcome["summary"]["removed"]] == ["papers/4.txt"]

        objects.objects["in/deep/y.txt"] = b"deep"
        objects.denied = {"in/deep/"}
        del objects.objects["in/0.txt"]
        code, outcome, _ = orbit_sync(settings)
        assert (code, outcome["summary"]["removed"]) == (1, [])
        assert "cannot be listed" in outcome["incomplete"]
        assert "Debug" not in outcome["incomplete"]

        code, outcome, _ = orbit_sync({**settings, "credentials": {**credentials, "access_key_id": "stranger"}})
        assert (code, outcome["summary"]["removed"]) == (1, [])
        assert "s3cret" not in outcome["incomplete"]


def test_include_exclude_hidden_and_links(papers, orbit_sync, tmp_path):
    (tmp_path / "elsewhere.txt").write_text("outside")
    (papers / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    (papers / "old" / "loop").symlink_to(papers)
    os.mkfifo(papers / "pipe.txt")
    code, outcome, _ = orbit_sync({"url": str(papers), "include": ["*.txt"], "exclude": ["old/sand*"], "hidden": True})
    assert set(outcome["summary"]["added"]) == {"papers/old/water.txt", "papers/.secret.txt"}
    assert code == 0
    assert {skipped["source"]: skipped["reason"] for skipped in outcome["summary"]["skipped"]} == {
        "papers/link.txt": "is a link, and links are not followed",
        "papers/pipe.txt": "is not a file",
    }


def test_a_folder_that_cannot_be_reached_removes_nothing(papers, orbit_sync, tmp_path):
    orbit_sync({"url": str(papers)})
    papers.rename(tmp_path / "away")
    code, out, err = orbit_sync({"url": str(papers)}, plain=True)
    assert code == 1
    assert "papers could not list all its files, so nothing was removed" in err
    assert "removed    0" in out


def test_large_files_and_too_many_files(papers, orbit_sync):
    _, outcome, _ = orbit_sync({"url": str(papers), "max_files": 2})
    assert "has more than 2 files (max_files)" in outcome["incomplete"]
    assert len(outcome["summary"]["added"]) == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "url is missing"),
        ({"url": "s4://papers"}, "the protocol s4:// is unknown"),
        ({"url": "https://user:s3cret@host/"}, "url contains a password; set it in credentials"),
        ({"url": "/srv", "link": "https://host/"}, "link does not contain {name}"),
        ({"url": "/srv", "readers": ["a,b"]}, "'a,b' cannot name a group of readers"),
        ({"url": "/srv", "readers": [""]}, "'' cannot name a group of readers"),
        ({"url": "/srv", "metadata": {"source": "x"}}, "'source' cannot be a field of metadata: ORBIT has one"),
        ({"url": "sftp://host/papers"}, 'run pip install "paramiko"'),
        ({"url": "webdav://host/papers"}, "write webdav+https:// (or webdav+http://) instead of webdav://"),
    ],
)
def test_settings_that_cannot_work(orbit_sync, monkeypatch, settings, sentence):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *of: None if name == "paramiko" else found(name, *of))
    code, _, err = orbit_sync(settings, plain=True)
    assert code == 1
    assert sentence in err
    assert "s3cret" not in err


def test_a_check_names_a_folder_that_is_missing(papers, tmp_path):
    urls = {"there": str(papers), "absent": str(tmp_path / "absent"), "far": "s3://papers"}
    sections = {name: {"use": "fsspec", "url": url} for name, url in urls.items()}
    registry = make_host({"echo": {}, **sections}, tmp_path).registry
    found = {name: list(registry[name].remarks()) for name in urls}
    assert (found["there"], found["far"]) == ([], [])
    assert found["absent"] == [f"url: there is no folder {urls['absent']} now; orbit sync fails until there is one"]


def test_names_that_are_no_connector(papers, orbit_sync):
    code, _, err = orbit_sync({"url": str(papers)}, "paper")
    assert code == 2
    assert "'paper' is no connector. Did you mean 'papers'?" in err


def test_watching_runs_again(papers, tmp_path, orbit_sync):
    import subprocess
    import time

    orbit_sync({"url": str(papers)})  # writes the configuration
    config = json.loads((tmp_path / "config.yaml").read_text())
    config["sync"]["every"] = 0.2
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "orbit", "sync", "--watch", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        try:
            assert watching.stdout is not None
            assert len(json.loads(watching.stdout.readline())["summary"]["unchanged"]) == 3
            (papers / "new.txt").write_text("news")
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                if json.loads(watching.stdout.readline())["summary"]["added"] == ["papers/new.txt"]:
                    break
            else:
                pytest.fail("the new file was not found")
        finally:
            watching.terminate()
            _, err = watching.communicate(timeout=60)
    assert (watching.returncode, "Traceback" in err) == (0, False)


def test_a_folder_has_readers_and_metadata(orbit_sync, papers):
    section = {"url": str(papers), "include": ["tea.md"]}
    assert orbit_sync({**section, "readers": ["hr"]})[1]["summary"]["added"] == ["papers/tea.md"]
    assert orbit_sync({**section, "readers": ["hr"]})[1]["summary"]["unchanged"] == ["papers/tea.md"]
    changed = {**section, "readers": ["hr", "legal"], "metadata": {"year": 2026}}
    assert orbit_sync(changed)[1]["summary"]["updated"] == ["papers/tea.md"]
    assert orbit_sync(section)[1]["summary"]["updated"] == ["papers/tea.md"]
