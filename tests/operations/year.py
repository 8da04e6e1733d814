"""An operator's year, while clients ask all the time.

It begins with ORBIT 0.1 and the earlier configuration: documents, a database and a store on servers, the upgrade,
reloads, rotations, another embedding model, one more host, a lost host, a restored backup.

PYTHONPATH=tests/kits .venv/bin/python tests/operations/year.py [FOLDER]

``YEAR`` has every step. Each is one or two documented commands. The figures at the end are what the clients saw. The
first run installs ORBIT 0.1 into the folder; a later one with the same folder uses it again.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chroma_kit import ChromaServer
from earlier_release import install
from mongo_server import MongoServer
from serve_kit import eventually
from year_hosts import TODAY, Clients, Host, Proxy

EARLIER = """
general:
  port: 3000
  verbose: false
  inference_provider: {generator}
logging:
  level: INFO
  console: {console}
  file:
    enabled: true
    directory: logs
    filename: orbit.log
    max_size_mb: 20
    rotation: midnight
messages:
  no_results_response: "I do not know."
"""
"""Of which ORBIT 0.1 reads all."""
OF_0_1 = EARLIER.format(generator="echo", console="true") + "echo: {}\n"
OLDER = EARLIER.format(generator="extract", console="{enabled: true}")
SMALL = "extract: {}\nlexical: {collection: town}\n"
CHROMA = "wordllama: {{}}\nchroma: {{{place}, collection: town, max_results: 5, return_results: 1}}\n"
FACTS = {
    "When does the swimming pool open?": ("The swimming pool opens at seven in the morning.", "seven"),
    "What does a library card cost?": ("A library card costs twelve euros a year.", "twelve"),
    "Who repairs broken street lamps?": ("The works department repairs broken street lamps.", "works department"),
    "Where is the lost property office?": ("The lost property office is in Mill Lane.", "Mill Lane"),
    "On which day is the rubbish collected?": ("The rubbish is collected on Thursday.", "Thursday"),
}


class Year:
    """The state of the year: hosts, servers, and the proxy that clients know."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts = {name: Host(folder / name) for name in ("first", "second", "third")}
        self.first, self.second, self.third = self.hosts.values()
        self.serving = self.first
        self.key = ""
        self.clients: Clients | None = None
        self.mongodb = MongoServer(_made(folder / "mongodb"))
        self.chroma = ChromaServer(_made(folder / "chroma"))
        self.proxy = Proxy(folder / "nginx")

    def ask_through(self, url: str) -> None:
        self.clients = Clients(url, self.key, FACTS)
        self.clients.start()

    def use_key(self, key: str) -> None:
        """Give the clients another key, as their operator does."""
        self.key = key
        if self.clients is not None:
            self.clients.key = key
            asked = self.clients.asked
            eventually(lambda: self.clients is not None and self.clients.asked > asked + 1)  # none with the former key

    def end(self) -> None:
        if self.clients is not None:
            self.clients.end()
        for host in self.hosts.values():
            host.stop()
        self.proxy.stop()
        self.chroma.stop()
        self.mongodb.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _key(text: str) -> str:
    key: str = json.loads(text)["api_key"]
    return key


def begin_with_0_1(year: Year) -> None:
    """Install it on two machines, and let it read the earlier configuration, with an embedded store."""
    release = install(_made(year.folder / "orbit-0.1"))
    year.first.release = year.second.release = release
    assert "0.1.0" in year.first.run("--version")
    year.first.write(OF_0_1 + CHROMA.format(place="path: chroma"))
    assert "is valid" in year.first.run("check")


def import_the_earlier_configuration(year: Year) -> None:
    (year.first.folder / "earlier.yaml").write_text(OLDER)
    migrated = year.first.run("migrate", "config", "earlier.yaml")
    assert "general:\n" in migrated
    year.first.write(migrated + SMALL)
    assert "is valid" in year.first.run("check")


def ingest(year: Year) -> None:
    pages = _made(year.folder / "pages")
    for number, (fact, _) in enumerate(FACTS.values()):
        (pages / f"{number}.md").write_text(f"# Town\n\n{fact}\n")
    assert f"added      {len(FACTS)}" in year.serving.run("ingest", str(pages), "--collection", "town")


def begin_to_ask(year: Year) -> None:
    year.use_key(_key(year.first.run("keys", "create", "--name", "clients", "--json")))
    year.first.start()
    year.ask_through(year.first.url)


def begin_to_ask_through_a_proxy(year: Year) -> None:
    year.use_key(_key(year.first.run("keys", "create", "--name", "clients", "--json")))
    year.first.start()
    year.proxy.balance(year.first)
    year.ask_through(year.proxy.url)


def move_to_servers(year: Year) -> None:
    """Move the keys to MongoDB and the passages to a Chroma server, on a machine that takes over when it is ready.

    ORBIT 0.1 cannot copy keys. Today's can: from a copy of the file, because it would bring that up to date.
    """
    year.mongodb.start()
    year.chroma.start()
    servers = f"mongodb: {{uri: '{year.mongodb.uri}', database: orbit}}\n"
    servers += CHROMA.format(place=f"host: 127.0.0.1, port: {year.chroma.port}")
    year.second.write(OF_0_1 + servers)
    copied = _made(year.folder / "copied")
    shutil.copytree(year.first.folder / "data", copied / "data")
    shutil.copy(year.first.folder / "config.yaml", copied)
    command = ("database", "copy", "--from", "config.yaml", "--to", str(year.second.folder / "config.yaml"))
    assert "Copied and verified: 1 keys" in Host(copied).run(*command)
    year.serving = year.second
    ingest(year)
    year.second.start()
    year.proxy.balance(year.second)
    year.first.stop()


def upgrade(year: Year) -> None:
    """Upgrade one machine after the other. For a while both releases serve, on the same database and store."""
    (year.first.folder / "earlier.yaml").write_text((year.second.folder / "config.yaml").read_text())
    for host, other in ((year.first, year.second), (year.second, year.first)):
        host.stop()
        host.release = TODAY
        assert "is valid" in host.run("check", "--config", str(year.first.folder / "earlier.yaml"))
        host.write(year.first.run("migrate", "config", "earlier.yaml"))
        host.start()
        year.proxy.balance(host, other)
        _let_them_ask(year)
        year.proxy.balance(host)
    year.proxy.balance(year.first, year.second)


def _let_them_ask(year: Year) -> None:
    clients = year.clients
    assert clients is not None
    asked = clients.asked
    eventually(lambda: clients.asked >= asked + 4 * len(FACTS))


def answer_with_quotations(year: Year) -> None:
    """Add a full-text index and another generator by reloads."""
    for host in (year.first, year.second):
        config = (host.folder / "config.yaml").read_text()
        host.write(config + "lexical: {collection: town}\n")
        assert "Added: lexical" in host.run("reload")
        assert "town" in host.run("collections", "complete", "town")
        host.write(config.replace("inference_provider: echo", "inference_provider: extract") + SMALL)
        assert "Added: extract" in host.run("reload")


def reload(year: Year) -> None:
    host = year.first
    config = (host.folder / "config.yaml").read_text()
    host.write(config + "sessions: {ttl: 4000}\n")
    assert "Changed: sessions.ttl." in host.run("reload")
    host.write(config + "sessions: {ttl: twelve}\n")
    assert "sessions.ttl" in host.run("reload", code=1)
    assert host.run("log-level", "DEBUG") == "DEBUG\n"
    host.write(config)
    changed = host.run("reload")
    assert "logging.level" in changed
    assert "sessions.ttl" in changed


def rotate(year: Year) -> None:
    """Rotate the admin token, and the clients' key, whose earlier secret works for another hour."""
    old = year.first.run("token", "show")
    assert year.first.run("token", "rotate") != old
    year.use_key(_key(year.first.run("keys", "rotate", year.key, "--grace", "3600", "--json")))


def back_up(year: Year) -> None:
    year.serving.run("backup", str(year.folder / "backup.tar.gz"))


def change_the_embedding_model(year: Year) -> None:
    for host in (year.first, year.second):
        config = (host.folder / "config.yaml").read_text()
        config = config.replace("general:\n", "general:\n  embedding_provider: onnx\n", 1) + "onnx: {model: minilm}\n"
        host.write(config)
        assert "onnx" in host.run("reload")
    year.second.run("collections", "re-embed", "town")


def add_a_host(year: Year) -> None:
    year.third.write((year.second.folder / "config.yaml").read_text())
    year.third.run("collections", "complete", "town")  # its full-text index
    year.third.start()
    year.proxy.balance(*year.hosts.values())


def lose_a_host(year: Year) -> None:
    year.first.stop(signal.SIGKILL)
    _let_them_ask(year)


def restore(year: Year) -> None:
    """Restore the backup on another machine, which answers as the others did then."""
    other = Host(year.folder / "other")
    other.run("restore", str(year.folder / "backup.tar.gz"))
    other.start()
    late = Clients(other.url, year.key, FACTS, pause=0.0)
    try:
        late.start()
        eventually(lambda: late.asked >= 2 * len(FACTS))
    finally:
        late.end()
        other.stop()
    assert (late.errors, late.wrong) == ([], [])


Step = Callable[[Year], Any]
SHORT: tuple[Step, ...] = (import_the_earlier_configuration, ingest, begin_to_ask, reload, rotate, back_up, restore)
YEAR: tuple[Step, ...] = (
    begin_with_0_1,
    ingest,
    begin_to_ask_through_a_proxy,
    move_to_servers,
    upgrade,
    answer_with_quotations,
    reload,
    rotate,
    change_the_embedding_model,
    back_up,
    add_a_host,
    lose_a_host,
    restore,
)


@contextlib.contextmanager
def lived(folder: Path, steps: tuple[Step, ...], tell: Callable[[str], object] = lambda _: None) -> Iterator[Clients]:
    """Take the steps, and give what the clients saw."""
    year = Year(folder)
    try:
        for step in steps:
            started = time.monotonic()
            step(year)
            clients = year.clients
            seen = f"{clients.asked} asked, {len(clients.errors)} errors, {len(clients.wrong)} wrong" if clients else ""
            tell(f"{step.__name__:35} {time.monotonic() - started:6.1f} s  {seen}")
        assert year.clients is not None
        yield year.clients
    finally:
        year.end()


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Live the whole year, and print what the clients saw."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    with lived(folder, YEAR, tell=say) as clients:
        clients.end()
        share = 100 * len(clients.errors) / clients.asked
        say(f"{clients.asked} questions, {len(clients.errors)} errors ({share:.3f} %), {len(clients.wrong)} wrong")
        for line in (*clients.errors[:20], *clients.wrong[:20]):
            say(f"  {line}")
        sys.exit(bool(clients.wrong) or share >= 0.1)


if __name__ == "__main__":
    main()
