"""Mistakes in the settings of MongoDB are found by ``orbit check``, offline and without showing a password."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mongo_server import MongoServer
from pymongo import MongoClient

from orbit.auth.keys import new_key
from orbit.config.load import parse_config
from orbit.database import database_problems, open_database
from orbit.errors import ConfigError, DatabaseUnavailable

ENCODE = "mongodb.uri: characters of the user name or password have to be percent-encoded: write "

WRONG = {
    "an @ in the password": ({"uri": "mongodb://user:S3@cret@HOST/db"}, ENCODE + "@ as %40."),
    "an @ and a slash": ({"uri": "mongodb://user:S3@cr/et@HOST"}, ENCODE + "@ as %40, / as %2F."),
    "a colon": ({"uri": "mongodb://user:S3:cret@HOST"}, ENCODE + ": as %3A."),
    "a percent sign": ({"uri": "mongodb://user:S3cret100%@HOST"}, ENCODE + "% as %25."),
    "a question mark": ({"uri": "mongodb://user:S3?cret@HOST/db?w=1"}, ENCODE + "? as %3F."),
    "a hash": ({"uri": "mongodb://user:S3#cret@HOST/db?w=1"}, ENCODE + "# as %23."),
    "a space": ({"uri": "mongodb://user:S3 cret@HOST"}, ENCODE + "a space as %20."),
    "the same with srv": ({"uri": "mongodb+srv://user:S3@cret@x.example.org"}, ENCODE + "@ as %40."),
    "another scheme": (
        {"uri": "http://user:S3cret@HOST"},
        "mongodb.uri: must begin with mongodb:// or mongodb+srv://.",
    ),
    "no host": (
        {"uri": "mongodb://user:S3cret@/db"},
        "mongodb.uri: its hosts cannot be read: each is NAME or NAME:PORT",
    ),
    "a space before": ({"uri": " mongodb://a/db"}, "mongodb.uri: begins or ends with a space."),
    "a space behind": ({"uri": "mongodb://a/db "}, "mongodb.uri: begins or ends with a space."),
    "an empty host": ({"uri": "mongodb://a,,b/db"}, "mongodb.uri: its hosts cannot be read"),
    "a port that is none": ({"uri": "mongodb://a:b/db"}, "mongodb.uri: its hosts cannot be read"),
    "srv with a port": (
        {"uri": "mongodb+srv://x.example.org:27017"},
        "mongodb.uri: mongodb+srv:// takes one domain name",
    ),
    "a missing file": (
        {"uri": "mongodb://HOST/?tls=true&tlsCAFile=/nowhere/ca.pem"},
        "mongodb.uri: the option 'tlsCAFile' names /nowhere/ca.pem, which cannot be read: No such file or directory.",
    ),
    "an unknown option": (
        {"uri": "mongodb://HOST/?retryWrite=true"},
        "mongodb.uri: there is no option 'retryWrite'. Did you mean 'retrywrites'?",
    ),
    "a wrong value": ({"uri": "mongodb://HOST/?tls=maybe"}, "mongodb.uri: the value of the option 'tls' is not one"),
    "no value": ({"uri": "mongodb://HOST/?tls"}, "mongodb.uri: the option 'tls' has no value."),
    "options that contradict": (
        {"uri": "mongodb://HOST/?tls=true&ssl=false"},
        "the connection settings cannot be used",
    ),
    "two users": (
        {"uri": "mongodb://user:S3cret@HOST", "username": "other"},
        "mongodb.username: mongodb.uri has a user already; keep one of the two.",
    ),
    "two servers": (
        {"uri": "mongodb://HOST", "host": "other"},
        "mongodb.host: is without effect: mongodb.uri names the server; keep one of the two.",
    ),
    "two databases": (
        {"uri": "mongodb://HOST/helpdesk", "database": "orbit"},
        "mongodb.database: 'orbit' is not the database that mongodb.uri names, 'helpdesk'; keep one of the two.",
    ),
    "no name of a database": ({"database": "a/b"}, "mongodb.database: 'a/b' cannot name a database"),
    "the same in the URI": ({"uri": "mongodb://HOST/a%20b"}, "mongodb.uri: 'a b' cannot name a database"),
    "a dot in the URI": ({"uri": "mongodb://HOST/a.b"}, "mongodb.uri: 'a.b' cannot name a database"),
    "a host with a port": (
        {"host": "db:27018"},
        "mongodb.host: must be a name or an address alone; the port is mongodb.port.",
    ),
    "a URI as host": ({"host": "mongodb://user:S3cret@HOST"}, "mongodb.host: must be a name or an address;"),
    "a password of nobody": ({"password": "S3cret"}, "mongodb.password: is without effect: mongodb.username names"),
    "a user without password": ({"username": "u"}, "mongodb: the connection settings cannot be used: A password is"),
    "the same of one letter in the URI": ({"uri": "mongodb://u@HOST"}, "A password is required."),
    "a login that the driver quotes": (
        {"uri": "mongodb://password@HOST"},
        "the connection settings cannot be used: the driver refuses them, and its reason quotes the login.",
    ),
    "one collection for both": (
        {"apikey_collection": "a", "prompts_collection": "a"},
        "mongodb.prompts_collection: is mongodb.apikey_collection already",
    ),
    "no name of a collection": (
        {"apikey_collection": "$a"},
        "mongodb.apikey_collection: '$a' cannot name a collection",
    ),
}


def config_of(mongodb: dict[str, Any], folder: Path) -> Any:
    config, problems = parse_config({"general": {"data_dir": str(folder)}, "mongodb": mongodb}, "test", {})
    assert problems == []
    return config


@pytest.mark.parametrize("case", WRONG)
async def test_a_mistake_is_a_sentence_offline_and_at_the_start(tmp_path: Path, case: str) -> None:
    settings, sentence = WRONG[case]
    config = config_of(settings, tmp_path)
    told = "\n".join(map(str, database_problems(config)))
    assert sentence in told
    for part in ("S3", "cr", "et@", "user:"):
        assert part not in told.replace("percent-encoded", "").replace("cretion", "")
    with pytest.raises(ConfigError) as raised:
        async with open_database(config):
            pass
    assert str(raised.value) == told


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"host": "10.0.0.1", "port": 27018, "username": "u", "password": "p@ss/%:"},
        {"uri": "mongodb://user:S3%40cret%25@a,b:27018,c/db?replicaSet=rs&authSource=admin&w=majority"},
        {"uri": "mongodb+srv://user:S3cret@cluster.example.org/db?retryWrites=true&w=majority&appName=x"},
        {"uri": "mongodb://[::1]:27017/db", "database": "db"},
        {"uri": "mongodb://HOST?replicaSet=rs", "username": "u", "password": "p@ss/%:"},
        {"uri": "mongodb://CN%3Dme@HOST/?authMechanism=MONGODB-X509&tls=true"},
    ],
)
def test_settings_that_are_right(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert database_problems(config_of(settings, tmp_path)) == []


def test_check_says_so(tmp_path: Path) -> None:
    (tmp_path / "garbage.pem").write_text("garbage")
    uri = f"mongodb://user:S3cret@HOST/?tls=true&tlsCAFile={tmp_path}/garbage.pem"
    text = f"general: {{data_dir: {tmp_path}}}\necho: {{}}\nmongodb: {{uri: '{uri}'}}\n"
    (tmp_path / "config.yaml").write_text(text)
    command = [sys.executable, "-m", "orbit", "check", "--config", str(tmp_path / "config.yaml")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "mongodb: the connection settings cannot be used: " in ran.stderr
    assert "S3cret" not in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (
            {"host": "127.0.0.1", "port": 1},
            "MongoDB at 127.0.0.1:1 cannot be reached: Connection refused. Start it, or",
        ),
        ({"host": "nobody.invalid"}, "MongoDB at nobody.invalid:27017 cannot be reached: "),
    ],
)
async def test_a_server_that_is_not_there_is_named_with_the_reason(
    tmp_path: Path, where: dict[str, Any], reason: str
) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        async with open_database(config_of(where, tmp_path)):
            pass
    assert str(caught.value).startswith(reason)
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize(
    ("database", "path", "expected"),
    [("", "/helpdesk", "helpdesk"), ("", "/", "orbit"), ("other", "", "other"), ("helpdesk", "/helpdesk", "helpdesk")],
)
async def test_the_database_that_the_uri_names_is_used(
    tmp_path: Path, mongo_server: MongoServer, database: str, path: str, expected: str
) -> None:
    config = config_of({"uri": mongo_server.uri + path, "database": database}, tmp_path)
    client: MongoClient[Any]
    with MongoClient(mongo_server.uri) as client:
        before = client[expected].api_keys.count_documents({})
        async with open_database(config) as opened:
            await opened.create_key(new_key("Ada")[1])
        assert client[expected].api_keys.count_documents({}) == before + 1


@pytest.fixture(scope="module")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with MongoServer(tmp_path_factory.mktemp("mongo")) as server:
        yield server
