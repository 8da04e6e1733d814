"""``orbit llamacpp``: models fetched from a hub (one made here, on loopback) and described."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orbit.config.load import read_config

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    """Speaks as much of the hub's protocol as fetching one file takes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files: dict[str, bytes] = {}
        self.digests: dict[str, str] = {}
        self.gated = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if self.server.gated:
            return self.reply(401, X_Error_Code="GatedRepo", X_Error_Message="gated")
        if path.startswith("/api/models/acme/tiny"):
            siblings = [
                {
                    "rfilename": name,
                    "size": len(data),
                    "blobId": "b" * 40,
                    "lfs": {"sha256": self.server.digests[name], "size": len(data), "pointerSize": 100},
                }
                for name, data in self.server.files.items()
            ]
            return self.reply(200, json.dumps({"id": "acme/tiny", "sha": COMMIT, "siblings": siblings}).encode())
        name = path.rpartition("/")[2]
        if path.startswith("/acme/tiny/resolve/") and name in self.server.files:
            data = self.server.files[name]
            return self.reply(200, data, ETag=f'"{self.server.digests[name]}"', X_Repo_Commit=COMMIT)
        return self.reply(404, X_Error_Code="RepoNotFound")

    do_HEAD = do_GET  # noqa: N815 - http.server names its methods so


@pytest.fixture
def hub(gguf: Any, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as server:
        for name in ("small.gguf", "large.gguf"):
            data = gguf.write_decoder(tmp_path / "source.gguf", "llama").read_bytes()
            server.files[name], server.digests[name] = data, hashlib.sha256(data).hexdigest()
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def orbit(
    folder: Path, *arguments: str, hub: Hub | None = None, group: str = "llamacpp"
) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "ORBIT_"))}
    environment |= {"HF_HOME": str(folder / "home"), "COLUMNS": "200", "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_ENDPOINT": hub.url} if hub else {}
    command = [str(Path(sys.executable).with_name("orbit")), *group.split(), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, env=environment, timeout=60)


def test_a_model_is_fetched_and_named_in_the_configuration(hub: Hub, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "# ours\ninference:\n  llama_cpp:\n    # the model\n    model_path: old.gguf  # change me\n    n_ctx: 512\n"
    )
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", "small.gguf", hub=hub)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models/small.gguf").read_bytes() == hub.files["small.gguf"]
    written = config.read_text()
    assert f"    model_path: {tmp_path}/models/small.gguf # change me\n    n_ctx: 512\n" in written
    assert written.startswith("# ours\ninference:\n  llama_cpp:\n    # the model\n")


def test_the_embedded_default_keeps_its_retrieval(hub: Hub, tmp_path: Path) -> None:
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", "small.gguf", hub=hub)
    assert done.returncode == 0, done.stderr
    assert "Created config.yaml with the defaults for running without a configuration" in done.stdout
    (before, problems), (after, new_problems) = (read_config(path) for path in (None, str(tmp_path / "config.yaml")))
    assert problems == new_problems == []
    assert after.host == before.host
    own = {"model_path": str(tmp_path / "models/small.gguf"), "n_ctx": 1024}  # what the model was trained for
    expected = {item.name: item.settings | (own if item.name == "llama_cpp" else {}) for item in before.providers}
    assert {item.name: item.settings for item in after.providers} == expected
    enabled = ", ".join(item.name for item in before.providers)
    assert f"config.yaml is valid. Enabled: {enabled}.\n" in orbit(tmp_path, "check", group="").stdout


def test_an_embedding_model_does_not_take_the_place_of_the_one_that_answers(
    hub: Hub, gguf: Any, tmp_path: Path
) -> None:
    data = gguf.write_embedder(tmp_path / "bert.gguf").read_bytes()
    hub.files["bert.gguf"], hub.digests["bert.gguf"] = data, hashlib.sha256(data).hexdigest()
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", "bert.gguf", hub=hub)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "config.yaml").exists()
    assert "It is an embedding model" in done.stdout
    _, _, printed = done.stdout.partition("\n\n")
    (tmp_path / "config.yaml").write_text(f"{printed}\nllama_cpp: {{}}\n")
    assert orbit(tmp_path, "check", group="").returncode == 0


def test_the_files_of_a_repository_are_listed(hub: Hub, tmp_path: Path) -> None:
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--list-files", hub=hub)
    assert "small.gguf" in done.stdout
    assert not (tmp_path / "models").exists()


def test_which_of_several_must_be_said(hub: Hub, tmp_path: Path) -> None:
    for asked in ([], ["--filename", "smal.gguf"]):
        done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", *asked, hub=hub)
        assert done.returncode == 1
        assert "small.gguf, large.gguf" in done.stderr


def test_a_configuration_that_cannot_be_changed_is_left_and_the_mend_told(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("llama_cpp: {model_path: [\n")
    for config, said in (("mine.yaml", "it is not valid YAML"), ("no/such.yaml", "No such file or directory")):
        arguments = ("--repo-id", "acme/tiny", "--filename", "small.gguf", "--config", config)
        done = orbit(tmp_path, "pull", *arguments, hub=hub)
        assert done.returncode == 1
        assert f"{config} cannot be changed: {said}. Set llama_cpp.model_path in it to" in done.stderr
    assert (tmp_path / "mine.yaml").read_text() == "llama_cpp: {model_path: [\n"


def test_a_model_in_parts_is_fetched_whole(hub: Hub, gguf: Any, tmp_path: Path) -> None:
    names = [f"big-0000{number}-of-00002.gguf" for number in (1, 2)]
    for number, name in enumerate(names):
        weights = {"token_embd.weight": np.zeros((32, 32), np.float32)}
        metadata = {"general.architecture": "llama", "split.no": number, "split.count": 2}
        data = gguf.write_gguf(tmp_path / "part.gguf", metadata, weights).read_bytes()
        hub.files[name], hub.digests[name] = data, hashlib.sha256(data).hexdigest()
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", names[1], hub=hub)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "models").glob("*.gguf")) == names
    assert f"model_path: {tmp_path}/models/{names[0]}" in (tmp_path / "config.yaml").read_text()
    del hub.files[names[1]]
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", names[0], hub=hub)
    assert f"parts of this model are missing in acme/tiny: {names[1]}" in done.stderr


def test_a_damaged_file_is_deleted(hub: Hub, tmp_path: Path) -> None:
    hub.digests["small.gguf"] = "0" * 64
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", "small.gguf", hub=hub)
    assert done.returncode == 1
    assert "arrived damaged" in done.stderr
    assert not (tmp_path / "models/small.gguf").exists()
    assert not (tmp_path / "config.yaml").exists()


def test_a_file_name_that_leaves_the_folder_is_refused(hub: Hub, tmp_path: Path) -> None:
    name = "../../evil.gguf"
    hub.files[name], hub.digests[name] = b"GGUF", "0" * 64
    done = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", "--filename", name, hub=hub)
    assert done.returncode == 1
    assert "leads out of models" in done.stderr


def test_a_gated_or_unknown_repository_is_explained(hub: Hub, tmp_path: Path) -> None:
    assert (
        "the repository acme/nothing does not exist"
        in orbit(tmp_path, "pull", "--repo-id", "acme/nothing", hub=hub).stderr
    )
    hub.gated = True
    said = orbit(tmp_path, "pull", "--repo-id", "acme/tiny", hub=hub).stderr
    assert "accept its terms" in said
    assert "HF_TOKEN" in said


def test_info_tells_what_is_in_a_model_and_what_it_takes(tmp_path: Path) -> None:
    done = orbit(tmp_path, "info")
    assert done.returncode == 0, done.stderr
    for fact in ("llama", "8,192 tokens", "49,152", "210 Q4_1", "4 conversations of 4,096 tokens", "22 KiB a token"):
        assert fact in done.stdout
    assert "and neither does its folder" in orbit(tmp_path, "info", "no/such.gguf").stderr


def test_info_tells_what_the_chat_template_does(gguf: Any, templates: dict[str, str], tmp_path: Path) -> None:
    for name, facts in {
        "gemma-2": ("put before the first question", "no switch"),
        "qwen3": ("as such", "true, false"),
        "gpt-oss": ("as such", "true, low, medium, high"),
    }.items():
        path = gguf.write_decoder(tmp_path / "model.gguf", "llama", template=templates[name])
        told = orbit(tmp_path, "info", str(path)).stdout
        for fact in facts:
            assert fact in told
