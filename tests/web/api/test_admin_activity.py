"""Recent chats as the chat log has them, and the numbers behind the charts."""

import json
import time
from datetime import date

import httpx
import pytest

from orbit.chatlog import Naming, reading
from orbit.chatlog.lines import LineEncoder, ending
from orbit.chatlog.reading import read_lines_backwards
from orbit.chatlog.recent import RecentChats
from orbit.chatlog.searching import Filter
from orbit.observing.metrics import BOUNDS, Metrics
from orbit.observing.metrics_history import History, sample_of
from orbit.testing import serve
from orbit.types import ChatRecord, ToolUse

TOKEN = "the-administrators-own-token"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


def config(folder, **log):
    return {
        "script": {"words": 2},
        "guard": {},
        "general": {"inference_provider": "script"},
        "logging": {"file": {"enabled": True, "directory": str(folder / "logs"), **log}},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("admin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
        with serve(config(folder, redact=[r"\d{4,}"]), folder) as running:
            yield running


def chat(server, message):
    question = {"message": message, "stream": False}
    return httpx.post(f"{server.url}/chat", json=question, headers={"X-API-Key": server.key})


def ask(server, path, **parameters):
    response = httpx.get(f"{server.url}{path}", params=parameters, headers=RIGHT)
    assert response.status_code == 200, response.text
    return response.json()


def written(server):
    server.settle()
    server.call(server.provider("files").flush())


def test_chats_are_shown_newest_first_and_only_what_the_log_holds(server):
    assert chat(server, "my number is 123456789").status_code == 200
    assert chat(server, "something forbidden").status_code == 200
    written(server)
    page = ask(server, "/admin/chats")
    blocked, answered = page["chats"][:2]
    assert page["kept"]
    assert (blocked["query"], blocked["status"], blocked["blocked"]) == ("something forbidden", "blocked", True)
    assert (answered["query"], answered["response"]) == ("my number is [redacted]", "word0 word1 ")
    assert (answered["client_name"], answered["key_hint"], answered["completion_tokens"]) == (
        "test",
        server.key[-4:],
        2,
    )
    assert server.key not in json.dumps(page)
    assert "123456789" not in json.dumps(page)


def test_chats_are_filtered_and_paged(server):
    chat(server, "something forbidden")
    for number in range(5):
        chat(server, f"paged {number}")
    written(server)
    queries, before = [], ""
    while True:
        page = ask(server, "/admin/chats", text="PAGED", limit=2, before=before)
        queries += [found["query"] for found in page["chats"]]
        before = page["before"]
        if not before:
            break
    assert queries == [f"paged {number}" for number in reversed(range(5))]
    assert ask(server, "/admin/chats", failed=True)["chats"] == []
    assert {found["blocked"] for found in ask(server, "/admin/chats", blocked=True)["chats"]} == {True}
    assert ask(server, "/admin/chats", key="nobody")["chats"] == []
    assert ask(server, "/admin/chats", before="../../etc/passwd:9")["chats"] == ask(server, "/admin/chats")["chats"]
    assert httpx.get(f"{server.url}/admin/chats?limit=0", headers=RIGHT).status_code == 400


def test_errors_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    settings = config(tmp_path, content="none")
    with serve({**settings, "script": {"fail_after": 0, "kind": "unavailable"}}, tmp_path) as running:
        assert chat(running, "hello").status_code == 503
        written(running)
        (failed,) = ask(running, "/admin/chats", failed=True)["chats"]
        assert (failed["status"], failed["query"]) == ("provider_unavailable", None)
        assert "the script says so" in failed["reason"]
        samples = ask(running, "/admin/live")["samples"]
        assert (samples[-1]["failed"], samples[-1]["ok"]) == (1, 0)


def test_without_a_chat_log_the_page_is_told_so(tmp_path, monkeypatch):
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}}, tmp_path) as running:
        assert ask(running, "/admin/chats") == {"chats": [], "before": "", "kept": False}


def test_live_numbers_grow_with_each_turn(server):
    before = ask(server, "/admin/live")
    first = before["samples"][-1]
    assert chat(server, "hello there").status_code == 200
    after = ask(server, "/admin/live", since=first["at"])
    last = after["samples"][-1]
    assert last["ok"] == first["ok"] + 1
    assert last["completion_tokens"] == first["completion_tokens"] + 2
    assert sum(last["durations"]["total"]) == sum(first["durations"].get("total", [])) + 1
    assert len(last["durations"]["total"]) == len(after["bounds"]) + 1 == len(BOUNDS) + 1
    assert all(sample["at"] > first["at"] for sample in after["samples"])
    assert after["health"]["components"]["script"]["status"] == "ok"
    assert (after["in_flight"], after["queued"]) == (0, 0)


def test_the_history_keeps_the_last_samples():
    metrics, history = Metrics(), History(kept=3)
    for at in range(5):
        metrics.turn(ChatRecord(timestamp=0.0, request_id="", query="", status="ok", durations={"total": 0.3}))
        history.add(sample_of(metrics.snapshot(), float(at)))
    assert [(sample.at, sample.ok, sum(sample.durations["total"])) for sample in history.since(0)] == [
        (2.0, 3, 3),
        (3.0, 4, 4),
        (4.0, 5, 5),
    ]
    assert [sample.at for sample in history.since(3.0)] == [4.0]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 65_536])
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"half", b"one\n", b"one\nhalf", b"one\n\nthree\n", "ä\nzwölf\n".encode(), b"a\n" * 50]
)
def test_lines_are_read_backwards(tmp_path, monkeypatch, content, block):
    monkeypatch.setattr(reading, "BACKWARDS", block)
    file = tmp_path / "log"
    file.write_bytes(content)
    forwards = [line.data for line in reading.read_lines(file)]
    backwards = list(read_lines_backwards(file))
    assert [line.data for line in reversed(backwards)] == forwards
    for line in backwards:
        assert content[line.start :].startswith(line.data + b"\n")
        earlier = [other.data for other in read_lines_backwards(file, line.start)]
        assert earlier == [other.data for other in backwards if other.start < line.start]


@pytest.mark.parametrize(("content", "kept"), [("full", ("{}", "rain")), ("none", (None, None))])
def test_calls_of_tools_are_shown_as_the_log_keeps_them(tmp_path, content, kept):
    use = ToolUse("1", "weather", "{}", "bench", "ok", "rain", 0.5)
    record = ChatRecord(timestamp=1.8e9, request_id="r", query="How?", tool_uses=(use,))
    line = LineEncoder(content).encode(record, ending({}))
    (tmp_path / Naming().name(date(2027, 1, 15), 0)).write_bytes(line)
    (chat,) = RecentChats(tmp_path, Naming()).page(Filter(), "", 5).chats
    (found,) = chat.tool_uses
    assert (found.name, found.provider, found.status, found.seconds) == ("weather", "bench", "ok", 0.5)
    assert (found.arguments, found.result) == kept


def test_what_takes_too_long_goes_on_from_where_it_stopped(tmp_path):
    naming = Naming()
    for day in (1, 2):
        lines = [
            json.dumps({"timestamp": f"2025-01-0{day}T00:00:{second:02}Z", "query": f"{day}.{second}"})
            for second in range(10)
        ]
        (tmp_path / naming.name(date(2025, 1, day), 0)).write_text("\n".join([*lines, "no record", ""]))
    impatient = RecentChats(tmp_path, naming, patience=-1.0)
    found, before, pages = [], "", 0
    while True:
        page = impatient.page(Filter(text=".3"), before, 50)
        found += [chat.query for chat in page.chats]
        before, pages = page.before, pages + 1
        if not before:
            break
    assert found == ["2.3", "1.3"]
    assert pages > 10
    started = time.monotonic()
    assert RecentChats(tmp_path / "none", naming).page(Filter(), "", 5).chats == []
    assert time.monotonic() - started < 10
