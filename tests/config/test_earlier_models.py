"""Models of the earlier ORBIT's configurations: each is reached as before, or a notice says how."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from earlier_kit import parsed
from mongo_server import free_port
from openai_kit import served_wire

from orbit.config.load import parse_config
from orbit.host.host import OrbitHost
from orbit.testing import serve

ELSEWHERE: dict[str, tuple[dict[str, Any], str]] = {
    "aws": ({"access_key": "${UNSET}", "region": "r"}, "LiteLLM (bedrock/MODEL)"),
    "bitnet": ({"mode": "direct", "model": None, "model_path": "m"}, "run_inference_server.py"),
    "replicate": ({"api_key": "${UNSET}"}, "LiteLLM (replicate/MODEL)"),
    "transformers": ({"device": "auto", "do_sample": True}, "`transformers serve`"),
    "vertex": ({"project_id": "p", "credentials_path": ""}, "LiteLLM (vertex_ai/MODEL)"),
    "watson": (
        {"api_key": "${UNSET}", "api_base": "https://ibm.com", "verify": False},
        "LiteLLM (watsonx/MODEL)",
    ),
    "huggingface": ({"model": None, "model_name": "m", "device": "cpu"}, "`transformers serve`"),
}


@pytest.mark.parametrize("provider", ELSEWHERE)
def test_a_model_without_a_counterpart_is_expected_behind_a_gateway(tmp_path: Path, provider: str) -> None:
    own, program = ELSEWHERE[provider]
    section = {"enabled": False, "model": "m", "temperature": 0.1, "top_k": 20, "max_tokens": 9, "stream": True, **own}
    data = {"general": {"inference_provider": provider}, "adapters": [], "inference": {provider: section}}
    (tmp_path / "config.yaml").write_text(json.dumps(data))
    host = OrbitHost.from_file(str(tmp_path / "config.yaml"))
    assert [str(problem) for problem in host.problems] == []
    assert host.roles.generate == provider
    found = next(one for one in host.config.providers if one.name == provider)
    assert (found.plugin, found.settings["model"], found.settings["max_tokens"]) == ("openai", "m", 9)
    assert found.settings["require_server"] is False  # the server starts before the gateway does
    address = found.settings["base_url"]
    assert any(program in notice and f"Let it offer m at {address}" in notice for notice in host.notices)
    assert "for the program that serves the model" in host.config.warning


def test_the_server_starts_before_its_gateway_does(tmp_path: Path) -> None:
    section = {"model": "m", "base_url": f"http://127.0.0.1:{free_port()}/v1", "api_key": "k"}
    data = {"general": {"inference_provider": "watson"}, "adapters": [], "inference": {"watson": section}}
    with serve(data, tmp_path) as server:
        body, headers = {"message": "hello", "stream": False}, {"X-API-Key": server.key}
        response = httpx.post(f"{server.url}/chat", json=body, headers=headers, timeout=60)
    assert (response.status_code, response.json()["code"]) == (503, "provider_unavailable")
    with served_wire(models=("m",)) as gateway:
        section["base_url"] = gateway.url
        with serve(data, tmp_path / "later") as server:
            headers = {"X-API-Key": server.key}
            response = httpx.post(f"{server.url}/chat", json=body, headers=headers, timeout=60)
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("provider", "own", "address", "model"),
    [
        ("nearai", {}, "https://cloud-api.near.ai/v1", "m"),
        ("huggingface", {"provider": "hf-inference"}, "https://router.huggingface.co/v1", "m:hf-inference"),
        ("huggingface", {"endpoint_url": None, "provider": "auto"}, "https://router.huggingface.co/v1", "m"),
        ("huggingface", {"endpoint_url": "https://x.endpoints.huggingface.cloud/", "provider": "hf-inference"},
         "https://x.endpoints.huggingface.cloud/v1", "m"),
        ("bitnet", {"mode": "api", "base_url": "http://localhost:8080"}, "http://localhost:8080/v1", "m"),
        ("bitnet", {"mode": "api", "base_url": "http://b:80/", "model": None}, "http://b:80/v1", "bitnet"),
    ],
)  # fmt: skip
def test_a_model_whose_server_speaks_openais_protocol_now_is_asked_there(
    provider: str, own: dict[str, Any], address: str, model: str
) -> None:
    section = {"enabled": True, "api_key": "${KEY}", "model": "m", "stream": True, **own}
    data = {"general": {"inference_provider": provider}, "adapters": [], "inference": {provider: section}}
    config, problems = parse_config(data, "test", {"KEY": "secret"})
    assert problems == []
    found = next(one for one in config.providers if one.name == provider)
    settings = found.settings
    assert (found.plugin, settings["base_url"], settings["model"]) == ("openai", address, model)
    assert settings["api_key"] == "secret"


@pytest.mark.parametrize(
    ("factor", "score", "cosine"), [(1.0, 0.8, 0.875), (2.0, 0.8, 0.75), (1.0, 0.4, 0.25), (200.0, 0.9991, 0.91)]
)
def test_a_scaled_threshold_becomes_cosine_similarity(factor: float, score: float, cosine: float) -> None:
    """1 / (1 + d / factor) = score, where d = 2 - 2 cos for vectors of length 1."""
    distance = 2 - 2 * cosine
    assert 1 / (1 + distance / factor) == pytest.approx(score, rel=1e-3)
    adapter = {"name": "a", "datasource": "chroma", "config": {"confidence_threshold": score}}
    adapter["config"]["distance_scaling_factor"] = factor  # type: ignore[index]  # a mapping
    config, _ = parse_config({"adapters": [adapter], "datasources": {"chroma": {}}}, "test", {})
    chroma = next(provider for provider in config.providers if provider.name == "chroma")
    assert chroma.settings["confidence_threshold"] == pytest.approx(cosine, abs=2e-3)


@pytest.mark.parametrize("provider", ["groq", "openai", "azure", "ollama_cloud", "lmstudio", "mistral"])
def test_a_hosted_model_gets_the_address_and_credentials_that_it_had(provider: str) -> None:
    section = {"model": "m", "api_key": "${KEY}", "stream": True, "max_tokens": 5, "top_k": 20, "verbose": False}
    if provider == "azure":
        section |= {"base_url": "https://x.openai.azure.com", "deployment": "d"}
    data = {"general": {"inference_provider": provider}, "embedding": {}, "inference": {provider: section}}
    config, problems = parse_config(data, "test", {"KEY": "secret"})
    assert problems == []
    found = next(one for one in config.providers if one.name == provider)
    assert found.plugin == ("ollama" if provider == "ollama_cloud" else "openai")
    assert "secret" in json.dumps(found.settings)
    assert "localhost:8000" not in found.settings["base_url"]


def test_a_preset_that_does_not_exist_is_not_said_to_be_written_out() -> None:
    config, _ = parsed("general: {inference_provider: ollama}\nadapters: []\ninference: {ollama: {use_preset: gone}}")
    assert "inference.ollama.use_preset 'gone' names no preset, and has no effect." in config.notices


def test_the_plugin_of_anthropic_answers_where_its_provider_was_chosen() -> None:
    """The tables of a file said ``enabled: false`` for all but some; the one that is named counts."""
    section = {"enabled": False, "api_key": "${UNSET}", "api_base": "https://api.anthropic.com/v1", "stream": True}
    section |= {"model": "m", "max_tokens": 9, "temperature": 0.2}
    data = {"general": {"inference_provider": "anthropic"}, "adapters": [], "inference": {"anthropic": section}}
    config, problems = parse_config(data, "test", {})
    assert problems == []
    found = next(one for one in config.providers if one.name == "anthropic")
    assert found.plugin == "anthropic"
    assert found.settings == {
        "api_key": "", "base_url": "https://api.anthropic.com", "max_tokens": 9, "model": "m", "temperature": 0.2,
    }  # fmt: skip


def test_a_table_that_is_off_still_judges_for_the_section_that_names_it() -> None:
    table = {"groq": {"enabled": False, "api_key": "k", "model": "m"}}
    data = {"adapters": [], "reranker": {"enabled": True, "provider": "groq"}, "rerankers": table}
    config, problems = parse_config(data, "test", {})
    assert problems == []
    assert "groq_reranker" in {provider.name for provider in config.providers}


def searching(**sections: Any) -> dict[str, Any]:
    """Return an earlier configuration whose adapter searches, so that its embedding model counts."""
    adapter = {"name": "qa", "datasource": "chroma", "config": {"collection": "town"}}
    answering = {"general": {"inference_provider": "ollama"}, "inference": {"ollama": {"model": "m"}}}
    return {**answering, "adapters": [adapter], "datasources": {"chroma": {}}, **sections}


@pytest.mark.parametrize(
    ("provider", "own", "plugin", "settings"),
    [
        (
            "openai",
            {"model": "m", "dimensions": 512, "batch_size": 10, "api_key": "${KEY}"},
            "openai",
            {"embed_model": "m", "dimensions": 512, "embed_batch_size": 10, "api_key": "secret"},
        ),
        ("mistral", {"model": "m", "dimensions": 1024}, "openai", {"embed_model": "m", "dimensions": None}),
        (
            "jina",
            {"model": "m", "task": "text-matching"},
            "openai",
            {"embed_model": "m", "extra_embed_body": {"task": "text-matching"}},
        ),
        (
            "llama_cpp",
            {"model_path": "m.gguf", "n_ctx": 1024, "batch_size": 8},
            "llama_cpp",
            {"model_path": "m.gguf", "n_ctx": 1024, "batch_size": None},
        ),
    ],
)
def test_an_embedding_model_is_asked_where_it_was(
    provider: str, own: dict[str, Any], plugin: str, settings: dict[str, Any]
) -> None:
    data = searching(embedding={"provider": provider, "enabled": True}, embeddings={provider: {"enabled": True, **own}})
    config, problems = parse_config(data, "test", {"KEY": "secret"})
    assert problems == []
    name = f"{provider}_embeddings"
    assert config.host.general.embedding_provider == name
    found = next(one for one in config.providers if one.name == name)
    assert (found.plugin, {key: found.settings.get(key) for key in settings}) == (plugin, settings)
    assert not {"enabled", "model", "task"} & set(found.settings)


@pytest.mark.parametrize(
    ("name", "sections", "address"),
    [
        (
            "llama_cpp",
            {"inference": {"llama_cpp": {"mode": "api", "base_url": "http://b:8080", "model": "m"}}},
            "http://b:8080/v1",
        ),
        ("vllm", {"vllm": {"host": "b", "port": 8000, "model": "m"}}, "http://b:8000/v1"),
    ],
    ids=["llama.cpp's server", "vllm at the top level"],
)
def test_a_server_of_a_local_model_is_asked_where_it_was(name: str, sections: dict[str, Any], address: str) -> None:
    data = {"general": {"inference_provider": name}, "adapters": [], **sections}
    config, problems = parse_config(data, "test", {})
    assert problems == []
    found = next(one for one in config.providers if one.name == name)
    assert (found.plugin, found.settings["base_url"], found.settings["model"]) == ("openai", address, "m")


def test_vllm_at_the_top_level_is_left_out_where_another_model_answers() -> None:
    data = {"general": {"inference_provider": "ollama"}, "adapters": [], "vllm": {"host": "b", "model": "m"}}
    config, problems = parse_config({**data, "inference": {"ollama": {"model": "m"}}}, "test", {})
    assert problems == []
    assert "vllm" not in {one.name for one in config.providers}
    assert "vllm is not used: general.inference_provider is another." in config.notices
