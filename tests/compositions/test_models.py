"""Three providers and four models with fallbacks: each provider in turn is dead, slow, out of quota and too small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from models_kit import FAULTS, NAMES, Models, dead, failing, served_models
from openai_wire import Fault


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    with served_models(tmp_path) as served:
        yield served


QUESTION = "Which of the many books about bees and herons may I borrow on Saturdays? " * 3


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("broken", NAMES)
def test_every_model_answers_while_a_provider_is_broken(models: Models, broken: str, fault: Any) -> None:
    fault(models.wires[broken])
    for name in ("fast", "shared", "exact"):
        metadata = models.chat(name, message=QUESTION)["metadata"]
        assert metadata["provider"] != broken
        assert metadata["model"] == f"model-{metadata['provider']}"
    response = models.post("/chat", message=QUESTION, model="last", stream=False)
    assert (response.status_code == 200) == (broken != "three")  # it has no fallback


def test_a_request_chooses_its_model(models: Models) -> None:
    assert models.chat()["metadata"]["provider"] == "one"
    assert models.chat("orbit")["metadata"]["provider"] == "one"
    assert models.chat("last")["metadata"] | {"request_id": ""} == {
        "request_id": "",
        "provider": "three",
        "model": "model-three",
        "blocked": False,
        "dropped_documents": 0,
        "dropped_turns": 0,
        "without_documents": False,
        "remembered": False,
        "tries": 1,
    }
    completion = models.post(
        "/v1/chat/completions", model="last", messages=[{"role": "user", "content": "hello"}]
    ).json()
    assert (completion["model"], completion["orbit"]["provider"], completion["orbit"]["tries"]) == ("last", "three", 1)


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions"])
def test_a_model_that_does_not_exist(models: Models, path: str) -> None:
    body = {"message": "hello"} if path == "/chat" else {"messages": [{"role": "user", "content": "hello"}]}
    response = models.post(path, model="model-one", **body)
    problem = response.json() if path == "/chat" else response.json()["error"]
    assert (response.status_code, problem["code"]) == (404, "model_not_found")
    assert "Models: fast, shared, last, exact." in response.text
    assert not models.asked().total()


def test_the_list_of_models(models: Models) -> None:
    headers = {"Authorization": f"Bearer {models.server.key}"}
    listed = httpx.get(f"{models.server.url}/v1/models", headers=headers).json()["data"]
    assert [item["id"] for item in listed] == ["fast", "shared", "last", "exact"]
    assert all(item["created"] > 1_700_000_000 and item["object"] == "model" for item in listed)


def test_options_of_a_model_apply_unless_the_client_has_its_own(models: Models) -> None:
    models.chat("exact")
    models.post(
        "/v1/chat/completions", model="exact", messages=[{"role": "user", "content": "hello"}], temperature=1, top_p=0.5
    )
    bodies = sorted(
        (body for wire in models.wires.values() for body in wire.asked()), key=lambda body: body["temperature"]
    )
    assert [(body["temperature"], body["seed"], body.get("top_p")) for body in bodies] == [(0.5, 7, None), (1, 7, 0.5)]


def test_equal_providers_share_the_load_and_a_broken_one_is_left_alone(models: Models) -> None:
    for _ in range(20):
        models.chat("shared")
    assert models.asked() == {"one": 10, "two": 10, "three": 0}
    failing(models.wires["one"])
    tries = [models.chat("shared")["metadata"]["tries"] for _ in range(20)]
    assert sum(tries) <= 24
    assert models.asked()["one"] <= 14


def test_the_metrics_say_who_answered_after_how_many_tries(models: Models) -> None:
    models.chat("last")
    failing(models.wires["one"])
    models.chat("fast")
    figures = httpx.get(f"{models.server.url}/metrics").text
    answers = {line for line in figures.splitlines() if line.startswith("orbit_model_answers_total{")}
    assert answers == {
        'orbit_model_answers_total{model="model-three",provider="three",tries="1"} 1.0',
        'orbit_model_answers_total{model="model-two",provider="two",tries="2"} 1.0',
    }
    assert 'orbit_provider_errors_total{kind="failed",operation="generate",provider="one"} 1.0' in figures


def test_a_provider_that_works_again_is_used_again(models: Models) -> None:
    models.wires["one"].faults.append(Fault("status", status=503))
    assert models.chat("fast")["metadata"] | {"request_id": ""} == models.chat("fast")["metadata"] | {
        "request_id": "",
        "tries": 2,
    }
    deadline = 200
    while models.chat("fast")["metadata"]["provider"] != "one" and deadline:
        deadline -= 1
        httpx.get(f"{models.server.url}/health")
    assert models.chat("fast")["metadata"]["tries"] == 1


def test_a_failure_after_the_first_text_ends_the_answer(models: Models) -> None:
    models.wires["one"].faults.append(Fault("die", after=1))
    response = models.post("/chat", message="one two three four five", model="fast")
    assert '"error":' in response.text.splitlines()[-2]
    assert models.asked()["two"] == 0


def test_what_the_client_can_mend_goes_no_further(models: Models) -> None:
    models.wires["one"].refuse = lambda _path, _body: (400, {"message": "Invalid value for seed", "param": "seed"})
    response = models.post("/v1/chat/completions", model="fast", messages=[{"role": "user", "content": "hi"}], seed=3)
    assert response.status_code == 400
    assert models.asked() == {"one": 1, "two": 0, "three": 0}


def test_all_are_dead(models: Models) -> None:
    for wire in models.wires.values():
        dead(wire)
    response = models.post("/chat", message="hello", stream=False)
    assert (response.status_code, response.json()["code"]) == (503, "provider_unavailable")
    assert response.headers["x-should-retry"] == "false"
