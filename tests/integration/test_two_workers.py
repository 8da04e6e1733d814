"""Two worker processes over one store: what an administrator does holds in both at once."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from mongo_server import MongoServer, free_port

pytestmark = pytest.mark.processes

TOKEN = "the-administrators-own-token"
CLIENTS = 50
ORBIT = str(Path(sys.executable).with_name("orbit"))


class Server:
    """`orbit serve --workers 2` as operators run it, with a fake model."""

    def __init__(self, folder, store_section, reader):
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.read_store = reader
        self.mongo = None
        (folder / "config.yaml").write_text(
            f"general: {{data_dir: {folder}/data}}\n"
            "logging: {level: DEBUG, file: {enabled: false}}\n"
            "script: {words: 2}\n" + store_section
        )
        fakes = folder / "fakes" / "orbit_fakes-0.1.dist-info"
        fakes.mkdir(parents=True)
        (fakes / "METADATA").write_text("Metadata-Version: 2.1\nName: orbit-fakes\nVersion: 0.1\n")
        (fakes / "entry_points.txt").write_text("[orbit]\nscript = orbit.testing.fakes:Script\n")
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(fakes.parent),
            "ORBIT_ADMIN_TOKEN": TOKEN,
            "ORBIT_CONFIG": str(folder / "config.yaml"),
        }
        self.log = folder / "log"

    def __enter__(self):
        port = self.url.rpartition(":")[2]
        command = [ORBIT, "serve", "--port", port, "--workers", "2"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + 60
        with httpx.Client(base_url=self.url) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if client.get("/health/ready").status_code == 200:
                        return self
                time.sleep(0.1)
        self.__exit__()
        raise TimeoutError(self.log.read_text())

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cli(self, *arguments):
        """A command of the operator's, through the running server."""
        command = [ORBIT, *arguments, "--url", self.url, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def chats(self, key, number=CLIENTS):
        """The statuses of so many requests at the same time, each on a connection of its own."""
        headers = {"X-API-Key": key}
        limits = httpx.Limits(max_connections=number)
        async with httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=30) as client:
            body = {"message": "hello", "stream": False}
            return await asyncio.gather(*(client.post("/chat", json=body) for _ in range(number)))


def statuses(responses):
    return {response.status_code for response in responses}


def read_sqlite(folder):
    files = [file for file in (folder / "data").iterdir() if file.name.startswith("orbit.db")]
    return b"".join(file.read_bytes() for file in files)


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with Server(folder, "", read_sqlite) as running:
            yield running
        return
    wire = folder / "wire"
    wire.mkdir()
    with MongoServer(wire) as mongo:
        section = f"mongodb: {{host: 127.0.0.1, port: {mongo.port}, database: orbit}}\n"

        def read_mongodb(_):
            return b"".join(file.read_bytes() for file in wire.glob("data.db*"))

        with Server(folder, section, read_mongodb) as running:
            running.mongo = mongo
            yield running


@pytest.fixture
def admin(server):
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


async def test_a_key_made_by_the_command_line_works_in_both_workers(server):
    made = server.cli("keys", "create", "--name", "Ana", "--notes", "two workers")
    responses = await server.chats(made["api_key"])
    assert statuses(responses) == {200}
    assert {response.json()["response"] for response in responses} == {"word0 word1 "}
    listed = server.cli("keys", "list")
    assert [key["api_key"] for key in listed if key["id"] == made["id"]] == ["***" + made["api_key"][-4:]]


async def test_revoking_holds_in_both_workers_at_once(server):
    made = server.cli("keys", "create", "--name", "revoked")
    assert statuses(await server.chats(made["api_key"])) == {200}
    server.cli("keys", "deactivate", made["id"])
    assert statuses(await server.chats(made["api_key"])) == {401}


async def test_revoking_on_the_store_itself_holds_at_once(server):
    made = server.cli("keys", "create", "--name", "deleted")
    assert statuses(await server.chats(made["api_key"])) == {200}
    command = [ORBIT, "keys", "delete", made["id"]]
    done = await asyncio.create_subprocess_exec(*command, env=server.environment, stdout=subprocess.DEVNULL)
    assert await done.wait() == 0
    assert statuses(await server.chats(made["api_key"])) == {401}


async def test_expiry_holds_in_both_workers(server, admin):
    ends = time.time() + 1.5
    made = admin.post("/admin/api-keys", json={"client_name": "brief", "expires_at": ends}).json()
    assert statuses(await server.chats(made["api_key"])) == {200}
    await asyncio.sleep(max(0.0, ends - time.time()))
    assert statuses(await server.chats(made["api_key"])) == {401}


async def test_rotation_holds_in_both_workers(server, admin):
    made = admin.post("/admin/api-keys", json={"client_name": "rotated"}).json()
    assert statuses(await server.chats(made["api_key"])) == {200}
    asked = time.time()
    rotated = admin.post(f"/admin/api-keys/{made['id']}/rotate", json={"grace_seconds": 3}).json()
    assert statuses(await server.chats(rotated["api_key"])) == {200}
    if time.time() < asked + 2:  # a busy machine may be slower than the grace time
        assert statuses(await server.chats(made["api_key"], 20)) == {200}
    await asyncio.sleep(max(0.0, asked + 3.2 - time.time()))
    assert statuses(await server.chats(made["api_key"])) == {401}
    assert statuses(await server.chats(rotated["api_key"])) == {200}


async def test_a_limit_is_exact_over_both_workers(server, admin):
    made = admin.post("/admin/api-keys", json={"client_name": "limited", "requests_per_minute": 20}).json()
    responses = await server.chats(made["api_key"])
    answers = [response.status_code for response in responses]
    assert (answers.count(200), answers.count(429)) == (20, CLIENTS - 20)
    refused = next(response for response in responses if response.status_code == 429)
    assert 0 < int(refused.headers["retry-after"]) <= 61
    assert refused.headers["ratelimit-remaining"] == "0"


async def test_budgets_are_exact_over_both_workers(server):
    made = server.cli("keys", "create", "--name", "budgeted", "--requests-per-day", "30", "--requests-per-month", "20")
    responses = await server.chats(made["api_key"])
    answers = [response.status_code for response in responses]
    assert (answers.count(200), answers.count(429)) == (20, CLIENTS - 20)
    refused = next(response.json() for response in responses if response.status_code == 429)
    assert (refused["code"], "20 requests a month" in refused["detail"]) == ("budget_exceeded", True)
    used = {budget["name"]: budget["used"] for budget in server.cli("keys", "status", made["id"])["budgets"]}
    assert used == {"requests_per_day": 20, "requests_per_month": 20}
    server.cli("keys", "update", made["id"], "--requests-per-month", "0")
    assert [response.status_code for response in await server.chats(made["api_key"])].count(200) == 10


async def test_tokens_of_both_workers_add_up(server):
    made = server.cli("keys", "create", "--name", "tokens", "--tokens-per-month", "1000000")
    assert statuses(await server.chats(made["api_key"])) == {200}
    (budget,) = server.cli("keys", "status", made["id"])["budgets"]
    assert budget["used"] == 4 * CLIENTS  # two messages and two words
    server.cli("keys", "update", made["id"], "--tokens-per-month", str(4 * CLIENTS))
    assert statuses(await server.chats(made["api_key"])) == {429}


def test_a_session_is_remembered_by_both_workers(server):
    key = server.cli("keys", "create", "--name", "talker")["api_key"]

    def send(method, path, **options):  # each time on a connection of its own, so to either worker
        return httpx.request(method, server.url + path, headers={"X-API-Key": key}, timeout=30, **options)

    def ask(message):
        answer = send("POST", "/chat", json={"message": message, "stream": False, "session_id": "s"})
        return answer.json()["metadata"]["remembered"]

    assert all(ask(f"q{number}") for number in range(4))
    shown = [send("GET", "/chat/sessions/s").json()["turns"] for _ in range(8)]
    assert all(turns == shown[0] for turns in shown)
    assert [turn["text"] for turn in shown[0] if turn["role"] == "user"] == ["q0", "q1", "q2", "q3"]

    at_once = {f"at once {number}" for number in range(10)}
    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(ask, at_once))
    turns = send("GET", "/chat/sessions/s").json()["turns"][8:]
    assert {turn["text"] for turn in turns if turn["role"] == "user"} == at_once
    assert send("DELETE", "/chat/sessions/s").status_code == 204
    assert {send("GET", "/chat/sessions/s").status_code for _ in range(8)} == {404}


async def test_a_prompt_guides_in_both_workers_from_the_next_request_on(server, admin):
    prompt = admin.post("/admin/prompts", json={"name": "guide", "prompt": "One."}).json()
    made = admin.post("/admin/api-keys", json={"client_name": "guided", "system_prompt_id": prompt["id"]}).json()
    assert statuses(await server.chats(made["api_key"])) == {200}
    admin.put(f"/admin/prompts/{prompt['id']}", json={"prompt": "Two."})
    listed = server.cli("prompts", "versions", "guide")
    assert [version["prompt"] for version in listed] == ["Two.", "One."]
    assert admin.delete(f"/admin/prompts/{prompt['id']}").status_code == 409
    assert admin.delete(f"/admin/prompts/{prompt['id']}?force=true").status_code == 200
    assert statuses(await server.chats(made["api_key"])) == {200}


async def test_no_clear_key_is_stored_or_logged(server, admin):
    keys = [admin.post("/admin/api-keys", json={"client_name": f"c{number}"}).json() for number in range(5)]
    rotated = admin.post(f"/admin/api-keys/{keys[0]['api_key']}/rotate", json={"grace_seconds": 60}).json()
    for key in (*keys, rotated):
        assert statuses(await server.chats(key["api_key"], 2)) == {200}
        admin.get(f"/admin/api-keys/{key['api_key']}/status")
    dump, log = server.read_store(server.folder), server.log.read_bytes()
    assert len(dump) > 1000
    for key in (*keys, rotated):
        secret = key["api_key"].removeprefix("api_").encode()
        assert secret not in dump
        assert secret not in log
        assert key["api_key"][-4:].encode() in dump
    assert TOKEN.encode() not in dump + log


def test_a_client_key_opens_no_admin_route(server, admin):
    made = admin.post("/admin/api-keys", json={"client_name": "curious"}).json()
    assert httpx.get(f"{server.url}/admin/api-keys", headers={"X-API-Key": made["api_key"]}).status_code == 403
    assert httpx.get(f"{server.url}/admin/api-keys").status_code == 401


async def test_an_outage_of_the_store(server, admin):
    """Known keys keep working, all others get 503 and never 401, and soon after the end all is well."""
    if server.mongo is None:
        pytest.skip("a file does not go away")
    known, other = (admin.post("/admin/api-keys", json={"client_name": name}).json()["api_key"] for name in "ab")
    for _ in range(3):
        assert statuses(await server.chats(known)) == {200}  # by now both workers know it
    server.mongo.stop()
    try:
        assert statuses(await server.chats(known, 20)) == {200}
        for key in (other, "api_wrong"):
            refused = await server.chats(key, 5)
            assert statuses(refused) == {503}
            assert {response.json()["code"] for response in refused} == {"store_unavailable"}
            assert all("retry-after" in response.headers for response in refused)
        assert admin.get("/admin/api-keys").status_code == 503
        assert admin.get("/health").json()["components"]["store"]["status"] == "down"
    finally:
        server.mongo.start()
    async with asyncio.timeout(5):
        while statuses(await server.chats(other, 10)) != {200}:  # noqa: ASYNC110  # it is another process
            await asyncio.sleep(0.1)
    assert statuses(await server.chats("api_wrong", 5)) == {401}
    assert admin.get("/admin/api-keys").status_code == 200


async def test_budgets_count_through_an_outage_of_the_store(server):
    """Each worker counts for itself meanwhile, and writes what it counted afterwards."""
    if server.mongo is None:
        pytest.skip("a file does not go away")
    made = server.cli("keys", "create", "--name", "through", "--requests-per-month", "200", "--tokens-per-day", "9999")
    for _ in range(3):
        assert statuses(await server.chats(made["api_key"], 20)) == {200}  # by now both workers know it
    server.mongo.stop()
    try:
        assert statuses(await server.chats(made["api_key"], 20)) == {200}
    finally:
        server.mongo.start()
    asked = 80
    async with asyncio.timeout(20):
        while True:
            assert statuses(await server.chats(made["api_key"], 4)) == {200}  # whoever is asked writes the rest
            asked += 4
            used = {budget["name"]: budget["used"] for budget in server.cli("keys", "status", made["id"])["budgets"]}
            if used == {"requests_per_month": asked, "tokens_per_day": 4 * asked}:
                break
            await asyncio.sleep(0.5)


async def test_a_session_of_the_page_begins_and_ends_in_all_workers(server):
    right = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as page:
        csrf = {"X-CSRF-Token": (await page.post("/admin/session", headers=right)).json()["csrf_token"]}
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in page.cookies.items()), "Connection": "close"}
        assert statuses(await from_all(page, "/admin/api-keys", cookie)) == {200}
        assert (await page.delete("/admin/session", headers=csrf)).status_code == 200
        assert statuses(await from_all(page, "/admin/api-keys", cookie)) == {401}


async def test_all_workers_tell_the_same_live_numbers(server):
    right = {"X-Admin-Token": TOKEN, "Connection": "close"}
    key = server.cli("keys", "create", "--name", "live")["api_key"]
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as page:
        before = (await page.get("/admin/live", headers=right)).json()["samples"][-1]["ok"]
        assert statuses(await server.chats(key, 20)) == {200}
        told: set[Any] = set()
        async with asyncio.timeout(10):
            while told != {20}:
                answers = await from_all(page, "/admin/live", right)
                told = {answer.json()["samples"][-1]["ok"] - before for answer in answers}


async def from_all(client, path, headers):
    """The answers to so many requests, each on a connection of its own, that both workers have some."""
    return await asyncio.gather(*(client.get(path, headers=headers) for _ in range(20)))


async def test_wrong_admin_tokens_are_limited_for_both_workers_together(server):
    address = f"127.0.1.{random.randrange(2, 250)}"  # one that has guessed nothing yet, also in a second try

    async def guess(number):
        transport = httpx.AsyncHTTPTransport(local_address=address)
        async with httpx.AsyncClient(base_url=server.url, timeout=30, transport=transport) as client:
            return await client.get("/admin/prompts", headers={"Authorization": f"Bearer wrong-{number}"})

    began = time.time()
    codes = [response.status_code for response in await asyncio.gather(*map(guess, range(CLIENTS)))]
    looked_at = codes.count(401)
    assert set(codes) == {401, 429}
    assert 20 <= looked_at <= 20 + (time.time() - began) + 1
    async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}) as admin:
        assert (await admin.get("/admin/prompts")).status_code == 200, "nobody is locked out"


async def test_a_worker_that_takes_the_place_of_a_dead_one_knows_the_last_hour(server):
    made = server.cli("keys", "create", "--name", "of the last hour")
    assert statuses(await server.chats(made["api_key"])) == {200}

    headers, hours, deadline = {"Authorization": f"Bearer {TOKEN}"}, [], time.monotonic() + 60

    def workers():
        """Those that have ever told their counts, and how many answers they told."""
        files = (server.folder / "data" / "metrics").glob("[0-9]*.json")
        return {int(file.name.partition("-")[0]): dict(json.loads(file.read_bytes())["turns"]) for file in files}

    async def until(condition):
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)

    await until(lambda: sum(turns.get("ok", 0) for turns in workers().values()) >= CLIENTS)
    before = workers()
    os.kill(max(before), signal.SIGKILL)
    await until(lambda: workers().keys() - before.keys())
    for _ in range(30):  # each on a connection of its own, so that both workers answer
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient(base_url=server.url, headers=headers) as client:
                samples = (await client.get("/admin/live")).json()["samples"]
                hours.append(samples[-1]["ok"] - samples[0]["ok"])
    assert len(hours) > 10
    assert min(hours) >= CLIENTS
