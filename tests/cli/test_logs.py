"""`orbit logs`: what an operator sees."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

import orbit as api
from orbit.chatlog import FollowerState
from orbit.chatlog.followers import follower_folder, write_state
from orbit.chatlog.provider import FileLog
from orbit.chatlog.searching import parse_time
from orbit.chatlog.settings import FileLogSettings
from orbit.cli.logs import logs
from orbit.host.host import OrbitHost
from orbit.system.files import lock, open_private


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"logging:\n  file:\n    enabled: true\n    directory: {tmp_path}/logs\n")
    return str(file)


@pytest.fixture
def run(config):
    def run(*arguments, code=0):
        result = CliRunner().invoke(logs, [*arguments, "--config", config])
        assert result.exit_code == code, result.output
        return result

    return run


def write(tmp_path, *records):
    async def main():
        settings = FileLogSettings(directory=f"{tmp_path}/logs")
        async with FileLog("files", settings, None) as log:  # type: ignore[arg-type]  # it asks nothing of its host
            for record in records:
                await log.log(record)

    asyncio.run(main())


def chat(number, **fields):
    record = api.ChatRecord(
        timestamp=time.time() - 100 + number,
        request_id=f"r{number}",
        query=f"question {number}",
        response=f"answer {number}",
        key_id="k1",
        key_hint="9f3a",
        client_name="shop",
        durations={"total": 1.25},
    )
    return msgspec.structs.replace(record, **fields)


def ids(result):
    return [json.loads(line)["request_id"] for line in result.stdout.splitlines()]


def test_tail_shows_the_last_records(tmp_path, run):
    write(tmp_path, *(chat(number) for number in range(15)))
    assert ids(run("tail", "--json")) == [f"r{number}" for number in range(5, 15)]
    assert ids(run("tail", "-n", "2", "--json")) == ["r13", "r14"]
    (line,) = run("tail", "-n", "1").stdout.splitlines()
    assert "ok" in line
    assert "shop" in line
    assert "1.25s" in line
    assert line.endswith("question 14  ->  answer 14")


def test_a_filter_that_nothing_fits_says_so(tmp_path, run):
    """A status that does not exist looks like a log without errors otherwise."""
    write(tmp_path, chat(1))
    for command, code in (("tail", 0), ("search", 1)):
        shown = run(command, "--status", "faild", code=code)
        assert shown.stdout == ""
        assert shown.stderr == f"No record in {tmp_path / 'logs'} fits.\n"
    assert run("tail", "-n", "0").stderr == ""


def test_tail_goes_back_over_files(tmp_path, run):
    (tmp_path / "logs").mkdir()
    for age, name in ((2, "older"), (1, "old")):
        day = datetime.now(UTC) - timedelta(days=age)
        line = json.dumps({"timestamp": f"{day:%Y-%m-%dT%H:%M:%S}.000Z", "request_id": name})
        (tmp_path / "logs" / f"chat-{day:%Y-%m-%d}.log").write_text(line + "\n")
    write(tmp_path, chat(1))
    assert ids(run("tail", "-n", "2", "--json")) == ["old", "r1"]
    assert ids(run("search", "--json")) == ["older", "old", "r1"]
    assert ids(run("search", "--since", "30h", "--json")) == ["old", "r1"]
    assert ids(run("search", "--until", "30h", "--json")) == ["older"]


def test_search_by_everything(tmp_path, run):
    write(
        tmp_path,
        chat(1, query="How do I reset my Password?"),
        chat(2, key_id="k2", key_hint="aaaa", client_name="blog"),
        chat(3, blocked=True, status="blocked", reason="violence", response=""),
        chat(4, status="provider_timeout", session_id="s9"),
    )
    assert ids(run("search", "password", "--json")) == ["r1"]
    assert ids(run("search", "VIOLENCE", "--json")) == ["r3"]
    assert ids(run("search", "r2", "--json")) == ["r2"]
    assert [ids(run("search", "--key", key, "--json")) for key in ("k2", "aaaa", "blog")] == [["r2"]] * 3
    assert ids(run("search", "--blocked", "--json")) == ["r3"]
    assert ids(run("search", "--not-blocked", "--json")) == ["r1", "r2", "r4"]
    assert ids(run("search", "--status", "provider_timeout", "--json")) == ["r4"]
    assert ids(run("search", "--session", "s9", "--json")) == ["r4"]
    assert ids(run("search", "--limit", "2", "--json")) == ["r1", "r2"]
    assert "(violence)" in run("search", "--blocked").stdout
    assert run("search", "nothing like it", code=1).stdout == ""


def test_an_answer_that_was_cut_off_is_shown_with_its_reason(tmp_path, run):
    write(tmp_path, chat(1, response="Once upon", status="provider_timeout", reason="ollama: no text within 5 s."))
    assert run("tail").stdout.endswith("->  Once upon  (ollama: no text within 5 s.)\n")


def test_control_characters_of_a_client_do_not_reach_the_terminal(tmp_path, run):
    write(tmp_path, chat(1, query="red \x1b[31malert\x07\nsecond line"))
    assert "\x1b" not in run("tail").stdout
    assert "red \\x1b[31malert\\x07 second line" in run("tail").stdout


def test_lines_that_are_no_records_are_counted(tmp_path, run):
    write(tmp_path, chat(1))
    (path,) = (tmp_path / "logs").glob("chat-*.log")
    with path.open("a") as file:
        file.write('{"half\n')
    result = run("search", "--json")
    assert ids(result) == ["r1"]
    assert "1 lines are not records" in result.stderr


def test_times():
    now = 1_738_315_800.0
    assert parse_time("90m", now) == now - 5400
    assert parse_time("1.5d", now) == now - 129_600
    assert parse_time("2025-01-31T09:30", now) == now
    assert parse_time("2025-01-31T10:30:00+01:00", now) == now


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tail", "--since", "yesterday"], 2, "'yesterday' is not a time; use 2025-01-31"),
        (["tail"], 1, "there is no folder"),
        (["replay", "--since", "1h"], 1, "no sink follows the chat log"),
        (["replay"], 2, "give either --since TIME or --dead-letters"),
    ],
)
def test_mistakes(run, arguments, code, message):
    assert message in run(*arguments, code=code).stderr.replace("\n", " ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@pytest.mark.parametrize("command", ["tail", "search", "dead-letters"])
def test_somebody_else_is_told_that_the_log_is_private(command):
    with tempfile.TemporaryDirectory() as name:  # not under tmp_path, which is itself private
        Path(name).chmod(0o755)
        Path(name, "logs").mkdir(mode=0o700)
        config = Path(name, "config.yaml")
        config.write_text(f"logging: {{file: {{directory: {name}/logs}}}}\n")
        config.chmod(0o644)
        assert "private" not in CliRunner().invoke(logs, [command, "--config", str(config)]).stderr
        os.seteuid(65534)  # after the first run, as Python's own files may be private, too
        try:
            result = CliRunner().invoke(logs, [command, "--config", str(config)])
        finally:
            os.seteuid(0)
    assert result.exit_code == 1
    assert "logs is readable only by the user that runs the server." in result.stderr


def test_replay_without_a_server_is_done_later(tmp_path, run):
    write(tmp_path, chat(1))
    folder = follower_folder(tmp_path / "logs", "elasticsearch")
    write_state(folder, FollowerState(kind="elasticsearch", status="unavailable"))
    assert "when one starts" in run("replay", "--since", "2h").stdout
    assert json.loads((folder / "replay.json").read_bytes()) == pytest.approx(time.time() - 7200, abs=60)
    assert "these do: elasticsearch" in run("replay", "--since", "2h", "--to", "mongo", code=2).stderr


def test_replay_tells_when_the_sink_is_unavailable(tmp_path, run):
    write(tmp_path, chat(1))
    folder = follower_folder(tmp_path / "logs", "elasticsearch")
    write_state(folder, FollowerState(kind="elasticsearch", status="unavailable", detail="HTTP 503"))
    held = open_private(folder / "lock")
    try:
        lock(held)
        assert "the sink is unavailable: HTTP 503" in run("replay", "--since", "2h", code=1).stderr
        assert "will send the missing records" in run("replay", "--since", "2h", "--no-wait").stdout
    finally:
        os.close(held)


def test_follow_prints_new_records_until_interrupted(tmp_path, config):
    write(tmp_path, chat(1))
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # deaf as a background job
    program = f"{hearing}; from orbit.cli.logs import logs; logs()"
    command = [sys.executable, "-c", program, "tail", "-f", "-n", "1", "--json", "--config", config]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["request_id"] == "r1"
        time.sleep(0.3)
        write(tmp_path, chat(2))
        assert json.loads(process.stdout.readline())["request_id"] == "r2"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_help_is_quick():
    code = (
        "import sys; import orbit.cli.logs; print([m for m in ('msgspec', 'litestar', 'ruamel') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    assert "litestar" not in out.stdout
    assert "ruamel" not in out.stdout


def test_the_log_is_in_the_data_folder_unless_there_is_one_at_its_earlier_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("general: {data_dir: kept}\necho: {}\n")
    result = CliRunner().invoke(logs, ["tail", "--config", "config.yaml"])
    assert f"there is no folder {tmp_path}/kept/logs yet" in result.stderr
    host = OrbitHost.from_file("config.yaml")
    assert host.chat_log == tmp_path / "kept" / "logs" / "chat.log"

    async def chat_with(host):
        async with host:
            await host.registry.caller("log", "files")(record=chat(1), context=None)

    asyncio.run(chat_with(host))
    assert len(list((tmp_path / "kept" / "logs").glob("chat-*.log"))) == 1
    assert ids(CliRunner().invoke(logs, ["tail", "--json", "--config", "config.yaml"])) == ["r1"]
    write(tmp_path, chat(2))  # as an earlier version would, beside kept
    assert OrbitHost.from_file("config.yaml").chat_log == tmp_path / "logs" / "chat.log"
    assert ids(CliRunner().invoke(logs, ["tail", "--json", "--config", "config.yaml"])) == ["r2"]


def test_lines_have_the_request_id_and_failed_is_every_error(tmp_path, run):
    words = ("ok", "blocked", "cancelled", "provider_unavailable", "internal_error")
    write(tmp_path, *(chat(number, status=word, request_id=f"5e1f{number}") for number, word in enumerate(words)))
    assert ids(run("search", "--status", "failed", "--json")) == ["5e1f3", "5e1f4"]
    assert ids(run("search", "--status", "internal_error", "--json")) == ["5e1f4"]
    (line,) = run("search", "5e1f3").stdout.splitlines()
    assert line.split()[2:4] == ["5e1f3", "provider_unavailable"]
    assert "failed (with any error)" in " ".join(run("tail", "--help").stdout.split())
