"""Configurations of the earlier ORBIT, of several ages: they load, answer, and say what became of their settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from ollama_kit import served_wire
from ollama_wire import OllamaWire
from openai_kit import served_wire as served_openai

from orbit import CallContext
from orbit.cli import orbit
from orbit.config.earlier.rules import _installed as installed_plugins
from orbit.config.earlier.rules import translate
from orbit.config.load import parse_config
from orbit.config.yaml_text import parse_yaml
from orbit.documents import ingest_paths
from orbit.errors import ConfigError
from orbit.host.host import OrbitHost
from orbit.testing import serve

FIRST = """
general: {port: 3001, verbose: "false", https: {enabled: false, port: 3443, cert_file: ./c.pem, key_file: ./k.pem}}
chroma: {host: localhost, port: 8000, collection: town, confidence_threshold: 0.8, relevance_threshold: 0.6}
elasticsearch:
  enabled: false
  node: https://localhost:9200
  index: town
  auth: {username: "${ES_USER}", password: "${ES_PASSWORD}"}
ollama: {base_url: "http://localhost:11434", model: llama3.2, embed_model: nomic-embed-text,
         num_threads: 2, stream: true,
         summarization: {enabled: true, model: llama3.2, max_length: 80}}
vllm: {base_url: "http://localhost:5000", model: some, best_of: 1, logprobs: null}
eleven_labs: {api_key: null, voice_id: abc}
system: {prompt: Answer as the town's clerk.}
logging: {level: info, file: {enabled: false, filename: server.log, format: text, rotation: h},
          console: {enabled: true, format: json}, capture_warnings: true, propagate: false}
safety: {enabled: false, provider_override: null, mode: fuzzy, model: llama3.2}
reranker: {enabled: true, provider_override: null, model: llama3.2, batch_size: 2, temperature: 0.0, top_n: 3}
api_keys: {header_name: X-API-Key, require_for_health: false}
"""
SECOND = """
general:
  port: 3000
  session_id: {header_name: X-Session-ID, required: true}
  inference_provider: vllm
  inference_only: false
  adapter: town-questions
messages: {no_results_response: Nothing about that., collection_not_found: No such collection.}
embedding: {provider: ollama, enabled: true, fail_on_error: false}
api_keys: {header_name: X-API-Key, prefix: town_}
logging:
  level: INFO
  handlers: {file: {enabled: false}, console: {enabled: false, format: text}}
  loggers: {llama_cpp: {level: ERROR}}
internal_services:
  elasticsearch: {enabled: false, node: "${ES_NODE}"}
  mongodb: {enabled: false, host: "${MONGO_HOST}", port: "${MONGO_PORT}", users_collection: users}
  redis: {enabled: true, host: "${REDIS_HOST}", ttl: 60}
chat_history: {enabled: true, retention_days: 2, collection_name: chat_history, session: {auto_generate: false}}
file_upload: {enabled: true, max_size_mb: 2, chunk_size: 800, chunk_overlap: 80, allowed_extensions: [.txt]}
embeddings:
  ollama: {base_url: "http://localhost:11434", model: nomic-embed-text, dimensions: 768}
  cohere: {api_key: "${COHERE}", model: embed-x, truncate: NONE}
adapters:
  - {name: town-sql, type: retriever, datasource: sqlite, adapter: qa, implementation: x.Y, config: {max_results: 5}}
  - name: town-questions
    type: retriever
    datasource: chroma
    adapter: qa
    implementation: x.Z
    config: {collection: town, confidence_threshold: 0.3, distance_scaling_factor: 200.0,
             max_results: 5, return_results: 2}
datasources:
  chroma: {use_local: true, db_path: ./town_chroma, host: localhost, port: 8000, embedding_provider: null}
  postgres: {host: localhost, username: "${PG_USER}"}
inference:
  ollama: {base_url: "http://localhost:11434", model: llama3.2}
  vllm: {host: localhost, port: 5001, model: some, temperature: 0.1, top_p: 0.8, top_k: 20, max_tokens: 64,
         stream: true}
  llama_cpp: {model_path: gguf/none.gguf, stop_tokens: ["</s>"]}
  gemini: {api_key: "${GEMINI}", model: g}
  watson: {api_key: "${WATSON}", project_id: p}
  huggingface: {model_name: h, stream: "false,"}
safety: {enabled: true, mode: fuzzy, moderator: ollama, request_timeout: 10, disable_on_fallback: true}
moderators:
  openai: {api_key: "${OPENAI}", model: omni-moderation-latest}
  ollama: {base_url: "http://localhost:11434", model: llama3.2, temperature: 0.0, max_tokens: 50, batch_size: 1}
reranker: {enabled: false, provider: ollama}
rerankers: {ollama: {base_url: "http://localhost:11434", model: llama3.2, batch_size: 5}, jina: {api_key: "${JINA}"}}
llm_guard: {enabled: false, service: {base_url: "http://localhost:8000"}}
auth: {enabled: true, session_duration_hours: 12, default_admin_username: admin, pbkdf2_iterations: 10}
"""
THIRD = {
    "config.yaml": """
import: [adapters.yaml, inference.yaml, presets.yaml, absent.yaml]
general: {https: {enabled: false, key_password: "${TLS}"}, session_id: {required: true}, inference_provider: ollama}
embedding: {enabled: false}
performance: {workers: 4, thread_pools: {io_workers: 5}}
fault_tolerance: {execution: {timeout: 30}}
language_detection: {enabled: true, backends: [langid]}
auth: {session_duration_hours: 3, credential_storage: keyring, providers: {enabled: false}}
internal_services:
  backend: {type: sqlite, sqlite: {database_path: orbit.db}}
  mongodb: {host: "", port: 27017}
  audit: {enabled: true}
files: {default_chunk_size: 500, processing: {docling_enabled: false}}
monitoring: {enabled: false, alerts: {cpu_threshold: 90}}
security:
  cors: {allowed_origins: ["https://town.example"], allow_credentials: false, max_age: 60}
  request_limits: {max_body_size_mb: 2}
  headers: {enabled: true}
  rate_limiting: {enabled: false}
logging: {handlers: {file: {enabled: false}}}
""",
    "adapters.yaml": "import: [adapters/chat.yaml, adapters/sql.yaml]\n",
    "adapters/chat.yaml": "adapters: [{name: chat, enabled: true, type: passthrough, datasource: none}]",
    "adapters/sql.yaml": "adapters: [{name: sql, enabled: false, datasource: duckdb}]",
    "inference.yaml": "inference: {ollama: {enabled: true, use_preset: small}, groq: {api_key: '${GROQ}', model: x}}",
    "presets.yaml": """
ollama_presets:
  small: {base_url: "http://localhost:11434", model: llama3.2, num_ctx: 2048, think: false, mirostat: 0, keep_alive: 5m,
          timeout: {connect: 1000}, retry: {enabled: true}}
""",
}
AGES = {"first": {"config.yaml": FIRST}, "second": {"config.yaml": SECOND}, "third": THIRD}


def written(folder: Path, files: dict[str, str], **replaced: str) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for old, new in replaced.items():
            text = text.replace({"ollama": "http://localhost:11434"}[old], new)  # noqa: PLW2901
        (folder / name).write_text(text)
    return folder / "config.yaml"


def parsed(text: str) -> Any:
    return parse_config(parse_yaml(text, "test"), "test", {})


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


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("logging: {consle: {enabled: true}}", "logging.consle"),
        ("logging: {console: maybe}", "logging.console"),
        ("logging: {file: {rotation: sometimes}}", "logging.file"),
        ("general: {prot: 3000}", "general.prot"),
        ("mongodb: {apikeys_collection: x}", "mongodb.apikeys_collection"),
        ("ollama: {modle: x}", "ollama"),
        ("inference: {ollma: {model: x}}", "inference.ollma"),
        ("embeding: {provider: ollama}", "embeding"),
        ("import: 5", "import"),
        ("health: {details: everyone}", "health.details"),
    ],
)
def test_a_mistake_is_refused_beside_earlier_names(tmp_path: Path, text: str, setting: str) -> None:
    file = written(tmp_path, {"config.yaml": f"{text}\nembedding: {{enabled: false}}\n"})
    assert setting in " ".join(str(problem) for problem in OrbitHost.from_file(str(file)).problems)


def test_an_imported_file_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other\.yaml"):
        OrbitHost.from_file(str(written(tmp_path, {"config.yaml": "import: [other.yaml]", "other.yaml": "a: ["})))


def test_a_circle_of_imports_ends(tmp_path: Path) -> None:
    files = {"config.yaml": "import: [a.yaml]", "a.yaml": "import: [b.yaml]", "b.yaml": "import: [a.yaml]"}
    problems = OrbitHost.from_file(str(written(tmp_path, files))).problems
    assert any("a second time" in str(problem) for problem in problems)


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


def test_plugins_are_looked_for_once_a_file() -> None:
    looks = []

    def installed() -> list[str]:
        looks.append(1)
        return ["ollama"]

    translate({"general": {}, "inference": {"ollama": {"model": "x"}}, "moderators": {}, "vllm": {}}, installed)
    assert len(looks) == 1
