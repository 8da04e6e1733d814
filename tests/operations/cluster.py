"""Three ORBIT hosts, MongoDB's wire, Chroma and nginx, each on a machine of its own, while one after the other fails.

PYTHONPATH=tests/kits:tests/operations .venv/bin/python tests/operations/cluster.py [SECONDS] [FOLDER]

Needs the right to make network namespaces. ``FAULTS`` has every fault. nginx runs the configuration of docs/scaling.md.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
from chroma_kit import ChromaServer
from mongo_server import MongoServer
from netns import Network
from year import FACTS, say
from year_hosts import Host, nginx

HOSTS = ("orbit1", "orbit2", "orbit3")
CACHE_SECONDS = 2.0
PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
CONFIG = """
general:
  host: {host}
  inference_provider: extract
  embedding_provider: wordllama
  trusted_proxies: [10.77.0.0/24]
extract: {{}}
wordllama: {{}}
chroma: {{host: {chroma}, port: {chroma_port}, collection: town}}
mongodb: {{uri: "{mongodb}"}}
auth: {{cache_seconds: {cache_seconds}}}
"""


class Answer(msgspec.Struct, frozen=True):
    """What a client got: ``seconds`` after the question, at ``at`` on the monotonic clock."""

    at: float
    seconds: float
    outcome: str
    """``ok``, ``wrong``, a status with the code of the problem, or the name of an exception."""
    request_id: str = ""


class Client(threading.Thread):
    """Asks one question after the other from the machine in the middle; every second one wants a stream."""

    def __init__(self, cluster: Cluster, url: str, key: str) -> None:
        super().__init__()
        self.answers: list[Answer] = []
        self._cluster, self._url, self._key = cluster, url, key
        self._ended = threading.Event()

    def run(self) -> None:
        with self._cluster.network.on("lan"), httpx.Client(timeout=120) as client:
            while not self._ended.is_set():
                for number, (question, (_, right)) in enumerate(FACTS.items()):
                    began = time.monotonic()
                    outcome, request_id = ask(client, self._url, self._key, question, right, stream=number % 2 == 0)
                    self.answers.append(Answer(began, time.monotonic() - began, outcome, request_id))
                    self._ended.wait(0.05)

    def end(self) -> None:
        self._ended.set()
        self.join()


def ask(
    client: httpx.Client, url: str, key: str, question: str, right: str, *, stream: bool = False
) -> tuple[str, str]:
    """Return the outcome of a question, and the id of its request."""
    try:
        body = {"message": question, "stream": stream}
        response = client.post(f"{url}/chat", json=body, headers={"X-API-Key": key})
    except httpx.HTTPError as error:
        return type(error).__name__, ""
    if response.status_code != httpx.codes.OK:
        code = re.search(r'"code": ?"(\w+)"', response.text)
        return f"{response.status_code} {code[1] if code else ''}".strip(), ""
    if not stream:
        return "ok" if right in response.json()["response"] else "wrong", response.json()["metadata"]["request_id"]
    frames = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    if not frames or not frames[-1].get("done") or frames[-1].get("error"):
        return "cut off", ""
    said = "".join(frame.get("text", "") for frame in frames)
    return "ok" if right in said else "wrong", frames[-1]["metadata"]["request_id"]


class Cluster:
    """The machines and what runs on them."""

    def __init__(self, folder: Path, network: Network) -> None:
        self.folder, self.network = folder, network
        at = network.addresses
        self.mongodb = MongoServer(_made(folder / "mongodb"), host=at["mongodb"])
        self.chroma = ChromaServer(_made(folder / "chroma"), host=at["chroma"])
        self.hosts = {name: Host(folder / name, port=3000) for name in HOSTS}
        self.url = f"http://{at['lan']}"
        self.key = ""
        self.clients: list[Client] = []
        self.kills: list[tuple[float, float]] = []
        """Before and after an ORBIT host was killed, on the monotonic clock."""
        self._proxy: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start everything, ingest the facts and make a key."""
        at = self.network.addresses
        for name, server in (("mongodb", self.mongodb), ("chroma", self.chroma)):
            with self.network.on(name):
                server.start()
        for name, host in self.hosts.items():
            config = CONFIG.format(
                host=at[name],
                chroma=at["chroma"],
                chroma_port=self.chroma.port,
                mongodb=self.mongodb.uri,
                cache_seconds=CACHE_SECONDS,
            )
            host.write(config)
        pages = _made(self.folder / "pages")
        for number, (fact, _) in enumerate(FACTS.values()):
            (pages / f"{number}.md").write_text(f"# Town\n\n{fact}\n")
        with self.network.on("orbit1"):
            self.hosts["orbit1"].run("ingest", str(pages), "--collection", "town")
        self.key = self.make_key()
        starting = [threading.Thread(target=self.start_host, args=(name,)) for name in self.hosts]
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join()
        self._balance()

    def start_host(self, name: str) -> None:
        with self.network.on(name):
            self.hosts[name].start()

    def make_key(self, *options: str) -> str:
        """Make a key on the first machine."""
        with self.network.on("orbit1"):
            made = self.hosts["orbit1"].run("keys", "create", "--name", "client", "--json", *options)
        key: str = json.loads(made)["api_key"]
        return key

    def limit(self, key: str, requests_per_minute: int) -> None:
        """Give a key another limit on the first machine."""
        with self.network.on("orbit1"):
            self.hosts["orbit1"].run("keys", "update", key, "--requests-per-minute", str(requests_per_minute))

    def budgets(self, key: str) -> dict[str, int]:
        """Return what is used of a key's budgets, as the first machine reads it."""
        with self.network.on("orbit1"):
            told = json.loads(self.hosts["orbit1"].run("keys", "status", key, "--json"))
        return {budget["name"]: budget["used"] for budget in told["budgets"]}

    def revoke(self, key: str) -> None:
        """Revoke a key on the first machine."""
        with self.network.on("orbit1"):
            self.hosts["orbit1"].run("keys", "deactivate", key)

    def _balance(self) -> None:
        """Start nginx as docs/scaling.md says."""
        (recipe,) = re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        recipe = re.sub(r"orbit(\d):3000", lambda found: f"{self.network.addresses[found[0][:6]]}:3000", recipe)
        recipe = re.sub(r"listen 443 ssl;\n.*\n.*\n", f"listen {self.network.addresses['lan']}:80;\n", recipe)
        with self.network.on("lan"):
            for name, value in re.findall(r"^net\.ipv4\.(\w+) = (\d+)$", PAGE.read_text("utf-8"), re.MULTILINE):
                Path(f"/proc/sys/net/ipv4/{name}").write_text(value)
            self._proxy = nginx(_made(self.folder / "nginx"), recipe)

    def ask_from(self, number: int) -> None:
        """Let so many clients ask through nginx."""
        self.clients = [Client(self, self.url, self.key) for _ in range(number)]
        for client in self.clients:
            client.start()

    def answers(self, since: float = 0.0) -> list[Answer]:
        """What clients asked since then got."""
        return [answer for client in self.clients for answer in client.answers if answer.at >= since]

    def ask_all(self, key: str, number: int, hosts: tuple[str, ...] = HOSTS) -> Counter[str]:
        """Ask each host so many questions at the same time, without nginx; return the outcomes."""
        outcomes: Counter[str] = Counter()
        question, (_, right) = next(iter(FACTS.items()))

        def client(url: str) -> None:
            with self.network.on("lan"), httpx.Client(timeout=60) as http:
                for _ in range(number):
                    outcomes[ask(http, url, key, question, right)[0]] += 1

        threads = [threading.Thread(target=client, args=(self.hosts[name].url,)) for name in hosts for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return outcomes

    def logged(self) -> Counter[str]:
        """How often each request is in the chat logs of all hosts."""
        lines = [
            line
            for host in self.hosts.values()
            for file in (host.folder / "data" / "logs").glob("*.log")
            for line in file.read_text("utf-8").splitlines()
        ]
        return Counter(json.loads(line)["request_id"] for line in lines)

    def unlogged(self) -> tuple[list[Answer], list[Answer]]:
        """Return the answers that no chat log has: of the last second before a kill, which may be lost, and others."""
        logged = self.logged()
        missing = [answer for answer in self.answers() if answer.request_id and answer.request_id not in logged]
        late = [
            one
            for one in missing
            if any(one.at + one.seconds >= before - 1 and one.at <= after for before, after in self.kills)
        ]
        return late, [one for one in missing if one not in late]

    def end(self) -> None:
        """End everything; the hosts write what they have to write."""
        for client in self.clients:
            client.end()
        for host in self.hosts.values():
            host.stop()
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait(20)
        self.chroma.stop()
        self.mongodb.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A cluster that answers. Raises NotPermitted."""
    with Network((*HOSTS, "mongodb", "chroma")) as network:
        cluster = Cluster(folder, network)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.end()


Step = Callable[[Cluster], Any]


def _kill_host(cluster: Cluster) -> None:
    before = time.monotonic()
    cluster.hosts["orbit1"].stop(signal.SIGKILL)
    cluster.kills.append((before, time.monotonic()))


def _start_host(cluster: Cluster) -> None:
    cluster.start_host("orbit1")


def _started(server: str) -> Step:
    def start(cluster: Cluster) -> None:
        with cluster.network.on(server):
            getattr(cluster, server).start()

    return start


def _cut(machine: str) -> tuple[Step, Step]:
    return lambda cluster: cluster.network.cut(machine), lambda cluster: cluster.network.join(machine)


def _slow(machine: str) -> tuple[Step, Step]:
    return lambda cluster: cluster.network.slow(machine), lambda cluster: cluster.network.hasten(machine)


FAULTS: dict[str, tuple[Step, Step]] = {
    "an ORBIT host is killed": (_kill_host, _start_host),
    "an ORBIT host is cut off": _cut("orbit2"),
    "an ORBIT host is slow": _slow("orbit3"),
    "MongoDB is killed": (lambda cluster: cluster.mongodb.stop(), _started("mongodb")),
    "MongoDB is cut off": _cut("mongodb"),
    "MongoDB is slow": _slow("mongodb"),
    "Chroma is killed": (lambda cluster: cluster.chroma.stop(), _started("chroma")),
    "Chroma is cut off": _cut("chroma"),
    "Chroma is slow": _slow("chroma"),
}


def suffer(cluster: Cluster, fault: str, seconds: float) -> tuple[list[Answer], list[Answer]]:
    """Let something fail for a time. Return what clients got meanwhile, and what once it was over for two seconds."""
    begin, end = FAULTS[fault]
    began = time.monotonic()
    begin(cluster)
    time.sleep(seconds)
    end(cluster)
    over = time.monotonic()
    time.sleep(2 + seconds / 2)
    answers = cluster.answers(began)
    return [one for one in answers if one.at < over + 2], [one for one in answers if one.at >= over + 2]


def summary(answers: list[Answer]) -> str:
    """Return one line about what clients got."""
    outcomes = Counter(answer.outcome for answer in answers)
    good = outcomes.pop("ok", 0)
    times = sorted(answer.seconds for answer in answers) or [0.0]
    errors = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.most_common()) or "no errors"
    return f"{good:5} ok, median {times[len(times) // 2]:.2f} s, longest {times[-1]:.1f} s, {errors}"


def main() -> None:
    """Let everything fail once, and print what the clients saw."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 15.0
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp())  # the second argument
    with running(_made(folder)) as cluster:
        cluster.ask_from(6)
        began = time.monotonic()
        time.sleep(seconds)
        say(f"{'nothing':26} {summary(cluster.answers(began))}")
        for fault in FAULTS:
            during, after = suffer(cluster, fault, seconds)
            say(f"{fault:26} {summary(during)}")
            say(f"{'  afterwards':26} {summary(after)}")
        answers = cluster.answers()
    late, lost = cluster.unlogged()
    say(f"{len(answers)} questions; in the chat log {max(cluster.logged().values())} times at most")
    say(f"not in it: {len(late)} answers of the second before the kill, {len(lost)} others: {lost}")


if __name__ == "__main__":
    main()
