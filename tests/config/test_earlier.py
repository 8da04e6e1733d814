"""Configurations of the earlier ORBIT, of several ages: they load, answer, and say what became of their settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from earlier_kit import AGES, parsed, written
from ollama_kit import served_wire
from ollama_wire import OllamaWire
from openai_kit import served_wire as served_openai

from orbit import CallContext
from orbit.cli import orbit
from orbit.config.earlier.rules import _installed as installed_plugins
from orbit.config.earlier.rules import translate
from orbit.config.yaml_text import parse_yaml
from orbit.documents import ingest_paths
from orbit.host.host import OrbitHost
from orbit.testing import serve


@pytest.mark.parametrize("age", AGES)
def test_a_configuration_of_an_age_loads_with_notices_and_one_warning(tmp_path: Path, age: str) -> None:
    host = OrbitHost.from_file(str(written(tmp_path, AGES[age])))
    assert [str(problem) for problem in host.problems] == []
    assert host.notices
    assert host.config.warning.count("no counterpart") == 1
    result = CliRunner().invoke(orbit, ["check", "--config", str(tmp_path / "config.yaml")], env={"COLUMNS": "200"})
    assert "Warning: these settings of the earlier ORBIT" in result.output
    assert "Note: " in result.output


def test_the_first_age_in_todays_terms(tmp_path: Path) -> None:
    host = OrbitHost.from_file(str(written(tmp_path, AGES["first"])))
    config = host.config.host
    assert set(host.registry.names()) == {"chroma", "ollama", "reranker"}
    assert (config.logging.level, config.logging.console, config.logging.format) == ("INFO", True, "json")
    assert config.general.default_system_prompt == "Answer as the town's clerk."
    assert config.health.details == "open"
    chroma = host.registry["chroma"].settings
    assert (chroma.confidence_threshold, chroma.relevance_threshold) == (0.8, 0.6)
    for name in ("eleven_labs", "ollama.summarization", "logging.{capture_warnings, propagate}"):
        assert name in host.config.warning


def test_the_second_age_in_todays_terms(tmp_path: Path) -> None:
    host = OrbitHost.from_file(str(written(tmp_path, AGES["second"])))
    config = host.config.host
    assert set(host.registry.names()) == {"vllm", "ollama", "chroma", "safety"}
    assert (host.roles.generate, host.roles.embed) == ("vllm", "ollama")
    vllm = host.registry["vllm"].settings
    assert (vllm.base_url, vllm.max_tokens, vllm.extra_body) == ("http://localhost:5001/v1", 64, {"top_k": 20})
    assert (config.retrieval.limit, config.retrieval.max_documents) == (5, 2)
    assert (config.sessions.enabled, config.sessions.ttl) == (True, 172_800)
    assert (config.ingest.chunk_size, config.ingest.max_file_bytes) == (800, 2 * 1024 * 1024)
    assert config.auth.admin_session_hours == 12
    assert not config.mongodb.enabled
    assert host.registry["safety"].settings.provider == "ollama"
    chroma = host.registry["chroma"].settings
    assert (chroma.path, chroma.collection, chroma.confidence_threshold) == ("../town_chroma", "town", None)
    assert any("0.3 of distances scaled by 200.0 has no equivalent" in notice for notice in host.notices)


def test_the_third_age_in_todays_terms(tmp_path: Path) -> None:
    host = OrbitHost.from_file(str(written(tmp_path, AGES["third"])))
    config = host.config.host
    assert set(host.registry.names()) == {"ollama"}
    assert host.registry["ollama"].settings.num_ctx == 2048
    assert config.cors.allow_origins == ("https://town.example",)
    assert (config.limits.max_body_bytes, config.ingest.chunk_size, config.metrics.enabled) == (2_097_152, 500, False)
    assert any("no file absent.yaml" in notice for notice in host.notices)
    assert "performance (orbit serve --workers N)" in host.config.warning


@pytest.mark.parametrize("age", AGES)
def test_migrate_writes_what_loads_the_same_without_notices(tmp_path: Path, age: str) -> None:
    old = written(tmp_path, AGES[age])
    result = CliRunner().invoke(orbit, ["migrate", "config", str(old)])
    assert result.exit_code == 0, result.output
    new = tmp_path / "new.yaml"
    new.write_text(result.stdout)
    before, after = OrbitHost.from_file(str(old)), OrbitHost.from_file(str(new))
    assert [str(problem) for problem in after.problems] == []
    assert (after.config.notices, after.config.warning) == ((), "")
    assert after.config.host == before.config.host
    assert after.config.providers == before.config.providers
    assert "# Written by `orbit migrate config` from config.yaml." in result.stdout
    assert "Left out, because ORBIT has no counterpart:" in result.stderr
    comments = " ".join(line[2:] for line in result.stdout.splitlines() if line.startswith("# "))
    for notice in before.config.notices:
        assert notice in comments


def test_a_new_configuration_is_not_touched() -> None:
    text = "general: {inference_provider: ollama}\ninference: {ollama: {model: a}, openai: {model: b}, llama_cpp: {}}"
    config, problems = parsed(text)
    assert problems == []
    assert (config.notices, config.warning) == ((), "")
    assert {provider.name for provider in config.providers} == {"ollama", "openai", "llama_cpp", "files"}


def test_a_plugin_may_have_an_earlier_name() -> None:
    config, _ = parsed("image: {use: echo}\nvision: {a: 1}")
    assert [provider.name for provider in config.providers] == ["image", "files"]
    assert "vision" in config.warning


def ask(server: Any) -> httpx.Response:
    body = {"message": "When does the pool open?", "stream": False}
    return httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}, timeout=30)


@pytest.mark.parametrize("age", ["first", "second", "third"])
def test_a_translated_configuration_answers(tmp_path: Path, age: str) -> None:
    """Served with a stand-in of Ollama; where Chroma or vLLM would need servers, the embedded and Ollama itself."""
    with served_wire(reply=lambda body: "SAFE: true") as wire, served_openai(models=("some",)) as vllm:
        assert isinstance(wire, OllamaWire)
        file = written(tmp_path, AGES[age], ollama=wire.url)
        text = CliRunner().invoke(orbit, ["migrate", "config", str(file)]).stdout
        config = parse_yaml(text, "migrated")
        if age == "first":
            config["chroma"].pop("host")
            config["chroma"].pop("port")
        if age == "second":
            config["inference"]["vllm"]["base_url"] = vllm.url
            config["chroma"]["path"] = "chroma"
        config["general"].pop("data_dir", None)
        with serve(config, tmp_path / "data") as server:
            if age != "third":
                page = tmp_path / "pool.md"
                page.write_text("When does the pool open?")
                host, context = server.services.host, CallContext("test", collection="town")
                server.call(ingest_paths(host, "town", [page], host.config.host.ingest, context))
            response = ask(server)
    assert response.status_code == 200, response.text
    assert wire.asked("/api/embed") or age == "third"
    assert response.json()["sources"] or age == "third"


def test_a_section_of_services_is_not_taken_for_the_plugin_of_that_name() -> None:
    assert "ocr" in installed_plugins()
    earlier, problems = parsed("ocr: {provider: mistral, mistral: {api_key: '${UNSET}', model: m}}\nadapters: []")
    assert problems == []
    assert "ocr (the plugin orbit-ocr)" in earlier.warning
    ours, problems = parsed("ocr: {languages: [deu]}\nadapters: []")
    assert problems == []
    assert [provider.name for provider in ours.providers] == ["ocr", "ollama", "files"]


@pytest.mark.parametrize(
    ("section", "way"),
    [
        ("huggingface: {api_key: k, model: m}", "huggingface (serve the model behind OpenAI's protocol"),
        ("system: {template_path: ./answer.txt}", "system.template_path (general.default_system_prompt)"),
        ("system: {prompt: Be kind., guardrail_prompt: Is it safe?}", "system.guardrail_prompt (safety)"),
        ("orbit_db: {provider: sqlite, config: {db_path: x}}", "orbit_db (ORBIT keeps its own file"),
        ("pipeline: {enabled: true, steps: {}}", "pipeline"),
        ("general: {embedding_enabled: true, inference: {top_p: 0.5}}", "general.{embedding_enabled, inference}"),
        ("chat_history: {default_limit: 5, cache: {}, redis: {host: '${UNSET}'}}", "chat_history."),
        ("logging: {redis: {host: '${UNSET}'}, level: INFO}", "logging.redis (sections of their own)"),
    ],
)
def test_what_an_age_had_for_days_is_listed_and_not_refused(section: str, way: str) -> None:
    config, problems = parsed(f"eleven_labs: {{voice_id: x}}\nollama: {{model: m, max_response_length: 9}}\n{section}")
    assert problems == []
    assert way in config.warning
    assert "ollama.max_response_length" in config.warning


def test_unset_variables_of_mongodb_are_what_they_were() -> None:
    text = "mongodb: {host: '${M_HOST}', port: '${M_PORT}', database: '${M_DB}', username: '${M_USER}'}\napi_keys: {}"
    config, problems = parsed(text)
    assert problems == []
    assert (config.host.mongodb.host, config.host.mongodb.port) == ("localhost", 27017)
    assert (config.host.mongodb.database, config.host.mongodb.username) == ("orbit", "")
    again, problems = parsed(f"internal_services: {{{text.partition(chr(10))[0]}}}")
    assert problems == []
    assert again.host.mongodb == config.host.mongodb


def test_inference_only_counts_at_the_top_level_as_well() -> None:
    config, problems = parsed(
        "inference_only: true\nadapters: [{name: a, datasource: chroma}]\ndatasources: {chroma: {}}"
    )
    assert problems == []
    assert "chroma" not in {provider.name for provider in config.providers}


def test_plugins_are_looked_for_once_a_file() -> None:
    looks = []

    def installed() -> list[str]:
        looks.append(1)
        return ["ollama"]

    translate({"general": {}, "inference": {"ollama": {"model": "x"}}, "moderators": {}, "vllm": {}}, installed)
    assert len(looks) == 1
