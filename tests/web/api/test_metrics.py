"""``GET /metrics`` over a real socket, read as Prometheus reads it."""

import os
import re
from pathlib import Path
from typing import Any

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

import orbit
from orbit.observing.metrics import Metrics, Snapshot, total
from orbit.testing import serve
from orbit.types import ChatRecord

TOKEN = "the-administrators-own-token"
OPEN = {"metrics": {"access": "open"}}


def read(text: str) -> dict[tuple[str, ...], float]:
    """Samples by name and label values, in the order of the labels' names."""
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def described(text: str) -> dict[str, set[str]]:
    """The metrics that have a help text, each with its labels."""
    names = {"histogram": "", "gauge": "", "counter": "_total"}
    return {
        family.name + names[family.type]: {*family.samples[0].labels} - {"le"} if family.samples else set()
        for family in text_string_to_metric_families(text)
        if family.documentation not in ("", "None")
    }


def ask(server: Any, **body: Any) -> httpx.Response:
    headers = {"X-API-Key": server.key}
    return httpx.post(f"{server.url}/chat", json={"message": "hello", **body}, headers=headers)


def test_turns_tokens_stages_and_requests_are_counted(tmp_path: Path) -> None:
    with serve({"script": {"words": 3}, "shelf": {}, **OPEN}, tmp_path) as server:
        for stream in (True, False):
            assert ask(server, stream=stream).status_code == 200
        assert ask(server, message="").status_code == 400
        assert httpx.post(f"{server.url}/chat").status_code == 401
        assert httpx.get(f"{server.url}/nowhere").status_code == 404
        assert httpx.get(f"{server.url}/health/live").status_code == 200
        response = httpx.get(f"{server.url}/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text("utf-8")
    rows = [row.split("|")[1:3] for row in page.splitlines() if row.startswith("| `orbit_")]
    labels = {name: {*re.findall(r"\w+", named)} for names, named in rows for name in re.findall(r"\w+", names)}
    found = described(response.text)
    assert found.keys() == labels.keys()
    assert all(found[name] in (set(), labels[name]) for name in found), found  # nothing has been counted for some
    seen = read(response.text)
    assert seen["orbit_turns_total", "ok"] == 2
    assert seen["orbit_tokens_total", "completion"] == 6
    assert seen["orbit_tokens_total", "prompt"] > 0
    assert seen["orbit_http_requests_total", "POST", "/chat", "200"] == 2
    assert seen["orbit_http_requests_total", "POST", "/chat", "400"] == 1
    assert seen["orbit_http_requests_total", "POST", "/chat", "401"] == 1
    assert seen["orbit_http_requests_total", "GET", "/health/live", "200"] == 1
    assert seen["orbit_http_requests_total", "GET", "other", "404"] == 1
    for stage in ("retrieve", "first_token", "generate", "total"):
        assert seen["orbit_stage_duration_seconds_count", stage] == 2
        assert seen["orbit_stage_duration_seconds_bucket", "+Inf", stage] == 2
    assert seen["orbit_turns_in_flight",] == seen["orbit_turns_queued",] == seen["orbit_log_records_lost_total",] == 0
    assert seen["orbit_component_up", "script"] == seen["orbit_component_up", "store"] == 1


def test_errors_of_providers_are_counted_even_where_the_answer_went_out(tmp_path: Path) -> None:
    config = {
        "script": {"fail_after": 1, "kind": "timeout"},
        "shelf": {},
        "broken": {"use": "shelf", "fail": True},
        "backwards": {"fail": True},
        "retrieval": {"on_error": "answer_without"},
        **OPEN,
    }
    with serve(config, tmp_path) as server:
        ask(server)
        seen = read(httpx.get(f"{server.url}/metrics").text)
    assert seen["orbit_provider_errors_total", "timeout", "generate", "script"] == 1
    assert seen["orbit_provider_errors_total", "unavailable", "retrieve", "broken"] == 1
    assert seen["orbit_provider_errors_total", "failed", "rerank", "backwards"] == 1
    assert seen["orbit_turns_total", "provider_timeout"] == 1


def test_only_the_administrator_may_read_them_unless_configured(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("ORBIT_ADMIN_TOKEN", TOKEN)
    with serve({"echo": {}}, tmp_path) as server:
        url = f"{server.url}/metrics"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"X-API-Key": server.key}).status_code == 403
        assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    with serve({"echo": {}, "metrics": {"access": "loopback"}}, tmp_path) as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 200
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    proxied = {"echo": {}, "metrics": {"access": "loopback"}, "general": {"trusted_proxies": ["127.0.0.1"]}}
    with serve(proxied, tmp_path) as server:
        assert httpx.get(f"{server.url}/metrics", headers=forwarded).status_code == 403
    with serve({"echo": {}, "metrics": {"enabled": False}}, tmp_path) as server:
        assert httpx.get(f"{server.url}/metrics").status_code == 404


def test_counts_of_processes_add_up() -> None:
    one, other = Metrics(), Metrics()
    one.turn(ChatRecord(0.0, "a", "q", durations={"total": 0.02}, prompt_tokens=5))
    other.turn(ChatRecord(0.0, "b", "q", durations={"total": 400.0, "rerank": 1.0}, status="blocked"))
    other.requests["/chat", "POST", "200"] += 2
    whole = total([one.snapshot(lost=1, in_flight=2), other.snapshot(in_flight=3, queued=4), Snapshot()])
    assert whole.turns == [("blocked", 1), ("ok", 1)]
    assert whole.requests == [("/chat", "POST", "200", 2)]
    assert (whole.prompt_tokens, whole.lost, whole.in_flight, whole.queued) == (5, 1, 5, 4)
    assert whole.durations["total"].sum == 400.02
    assert sum(whole.durations["total"].buckets) == 2
    assert whole.durations["total"].buckets[-1] == 1
    assert sum(one.durations["total"].buckets) == 1  # the parts stay as they were


class Talker(orbit.Provider):
    """Tells figures, or fails to."""

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        """Whether it fails."""

        fail: bool = False

    settings: Settings

    def metrics(self) -> dict[str, float]:
        if self.settings.fail:
            raise RuntimeError("no figures")
        return {"lag_records": 7}


def test_what_providers_tell_of_themselves(tmp_path: Path) -> None:
    config = {"echo": {}, "talker": {}, "mute": {"use": "talker", "fail": True}, "metrics": {"access": "open"}}
    with serve(config, tmp_path, {"talker": Talker}) as server:
        text = httpx.get(f"{server.url}/metrics").text
    assert f'orbit_provider_figure{{figure="lag_records",process="{os.getpid()}",provider="talker"}} 7.0' in text
    assert 'provider="mute"' not in text
