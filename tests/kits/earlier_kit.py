"""Configurations of the earlier ORBIT, of three ages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orbit.config.load import parse_config
from orbit.config.yaml_text import parse_yaml

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
