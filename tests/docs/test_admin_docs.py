import json
import os
import re
import shlex
import subprocess
from pathlib import Path

import httpx
import msgspec
import pytest
from click.testing import CliRunner

from orbit.admin import wire
from orbit.admin.collections import CollectionDetails, DocumentPage, StoredDocument
from orbit.chatlog.recent import ChatPage
from orbit.cli import orbit as orbit_command
from orbit.cli.keys import keys
from orbit.cli.prompts import prompts
from orbit.observing.metrics_history import Sample
from orbit.testing import serve
from orbit.web.api.admin.activity import Live
from orbit.web.api.admin.collections import Library
from orbit.web.api.admin.moves import ToldCopy, ToldMoved
from orbit.web.api.admin.running import ToldError
from orbit.web.api.admin.sign_in import SignInInfo
from orbit.web.api.admin.upload import ToldProgress, ToldSummary

DOCS = Path(__file__).parent.parent.parent / "docs"
GUIDE = (DOCS / "keys-and-prompts.md").read_text("utf-8")
API = (DOCS / "admin-api.md").read_text("utf-8")
ROWS = re.findall(r"^\| `python api_key_manager\.py (.+?)` \| `orbit (.+?)` \|$", GUIDE, re.MULTILINE)
TOKEN = "the-administrators-own-token"
OLD_VERBS = {
    *("create", "list", "status", "test", "deactivate", "delete"),
    *("prompt create", "prompt list", "prompt get", "prompt update", "prompt delete", "prompt associate"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        with serve({"script": {}, "cabinet": {}}, tmp_path_factory.mktemp("docs")) as running:
            yield running


def verb_and_options(arguments):
    """The verb of an old command and its options, apart from the URL."""
    arguments = arguments[arguments.index("URL") + 1 :]
    words = 2 if arguments[0] == "prompt" else 1
    return " ".join(arguments[:words]), arguments[words:]


def test_every_old_verb_is_in_the_table():
    assert {verb_and_options(shlex.split(old))[0] for old, _ in ROWS} == OLD_VERBS


@pytest.mark.parametrize(("old", "new"), ROWS, ids=[new for _, new in ROWS])
def test_the_new_spelling_has_the_same_options_and_works(old, new, server, tmp_path, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    Path("prompt.txt").write_text("Be kind.")
    verb, options = verb_and_options(shlex.split(old))
    group, name = ("prompts", verb.partition(" ")[2]) if verb.startswith("prompt ") else ("keys", verb)
    assert shlex.split(new) == [group, name, "--url", "URL", *options]

    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as admin:
        for prompt in admin.get("/admin/prompts").json():
            admin.delete(f"/admin/prompts/{prompt['id']}?force=true")
        key = admin.post("/admin/api-keys", json={"client_name": "Ana"}).json()["api_key"]
        prompt_id = admin.post("/admin/prompts", json={"name": "guide", "prompt": "x"}).json()["id"]
    known = {"URL": server.url, "KEY": key, "PROMPT_ID": prompt_id}
    result = CliRunner().invoke(orbit_command, [known.get(word, word) for word in shlex.split(new)])
    assert result.exit_code == 0, result.output


def test_every_command_is_in_the_guide():
    for group in (keys, prompts):
        for name in group.commands:
            assert f"`orbit {group.name} {name}" in GUIDE, f"orbit {group.name} {name}"


def test_every_route_is_in_the_page(server):
    described = set(re.findall(r"^##+ .*`([A-Z]+) (/[^`]+)`$", API, re.MULTILINE))
    paths = httpx.get(f"{server.url}/schema/openapi.json").json()["paths"]
    mine = {path: methods for path, methods in paths.items() if path == "/key" or path.startswith("/admin")}
    assert described == {(method.upper(), path) for path, methods in mine.items() for method in methods}


@pytest.mark.parametrize(
    "struct",
    [
        *(wire.NewKey, wire.KeyUpdate, wire.KeyDetails, wire.NewPrompt, wire.PromptInfo, wire.OwnKey, wire.Rotation),
        wire.Reloaded,
        *(Library, CollectionDetails, DocumentPage, StoredDocument, ToldProgress, ToldSummary, ToldError),
        *(ToldCopy, ToldMoved),
        *(ChatPage, Live, Sample, SignInInfo),
    ],
)
def test_every_field_is_in_the_page(struct):
    for field in msgspec.structs.fields(struct):
        assert f"`{field.name}`" in API, field.name


def test_the_examples_run_as_they_stand(server, tmp_path):
    script = "set -euo pipefail\n" + "\necho\n".join(re.findall(r"^```sh\n(.+?)^```$", API, re.MULTILINE | re.DOTALL))
    environment = {
        **os.environ,
        "ORBIT_URL": server.url,
        "ORBIT_ADMIN_TOKEN": TOKEN,
        "COLLECTION": "port",
        "no_proxy": "*",
    }
    done = subprocess.run(
        ["bash", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.strip()]
    assert len(answers) >= 10
