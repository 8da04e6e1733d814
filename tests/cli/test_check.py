"""``orbit check``."""

import subprocess
import sys
from pathlib import Path

import pytest

from orbit.host.host import OrbitHost
from orbit.host.plugins.discover import installed_plugins

ORBIT = [sys.executable, "-m", "orbit"]


def typed(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ORBIT, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_check_prints_five_sentences_for_five_mistakes(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        """
general:
  prot: 3000
  stream_text: cumul
ollma:
  model: x
chroma:
  relevance_threshold: high
elasticsearch:
  enabled: maybe
"""
    )
    shown = typed("check", cwd=tmp_path)
    assert shown.returncode == 1
    lines = shown.stderr.splitlines()
    assert lines[0] == "The configuration has 5 problems:"
    assert len(lines) == 6
    assert "general.prot: there is no such setting. Did you mean 'port'?" in lines[1]
    assert any("ollma: no section or plugin is named 'ollma'. Did you mean 'ollama'?" in line for line in lines)
    assert any("chroma.relevance_threshold: expected a number" in line for line in lines)
    assert "Traceback" not in shown.stderr


def test_check_of_a_good_configuration(tmp_path: Path) -> None:
    shown = typed("check", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == [
        "the embedded default is valid. Enabled: extract, llama_cpp, onnx, wordllama, chroma, lexical, files.",
        f"Data folder: {tmp_path / 'data'}",
        f"Chat log: {tmp_path / 'data' / 'logs'}",
    ]
    assert list(tmp_path.iterdir()) == [], "nothing is started, nothing is made"


def test_problems_of_the_embedded_default_say_that_there_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an installation of a few plugins, in the wrong folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORBIT_CONFIG", raising=False)
    some = {name: plugin for name, plugin in installed_plugins().items() if name != "llama_cpp"}
    monkeypatch.setattr("orbit.host.host.installed_plugins", lambda: some)
    problems = list(map(str, OrbitHost.from_file().problems))
    assert "the plugin 'llama_cpp' is not installed" in problems[0]
    assert problems[-1].startswith(f"{tmp_path} has no config.yaml, so this is the embedded default.")


def test_check_notes_what_works_but_hardly_as_intended(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        """
echo: {}
reranker: {timeout: 50}
safety: {mode: disabled, request_timeout: 60}
elasticsearch: {node: "http://127.0.0.1:9200", directory: elsewhere}
"""
    )
    shown = typed("check", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    notes = [line for line in shown.stdout.splitlines() if line.startswith("Note: ")]
    where = tmp_path / "elsewhere"
    assert notes == [
        "Note: reranker.timeout is 50 s, but timeouts.rerank is 20 s: the shorter one counts.",
        "Note: safety.request_timeout is 60 s, but timeouts.moderate is 20 s: the shorter one counts.",
        "Note: safety: mode is disabled and the block list is empty, so every text passes.",
        "Note: safety: request_timeout: without effect, since mode is disabled, so nobody judges",
        f"Note: elasticsearch: directory: {where} has no running writer of a chat log; start that server first.",
    ]


WITHOUT_EFFECT = {
    "openai: {base_url: 'http://h/v1', model: m, query_prefix: q, dimensions: 5}": (
        "openai: dimensions, query_prefix: without effect, since there is no embed_model"
    ),
    "openai: {base_url: 'https://h/v1', model: m, api_key: k, headers: {authorization: Bearer x}}": (
        "openai: api_key: without effect, since headers has authorization as well"
    ),
    "openai: {base_url: 'http://h/v1', model: m, max_retries: 0, retry_delay: 1}": (
        "openai: retry_delay: without effect, since max_retries is 0"
    ),
    "openai: {base_url: 'http://ann@h/v1', model: m}": (
        "openai: base_url: http://h/v1 has a user without a password; write USER:PASSWORD@ if it needs one"
    ),
    "ollama: {model: m, verify_certs: false}": (
        "ollama: verify_certs: without effect, since no base_url begins with https"
    ),
    "ollama: {embed_model: m, think: true}\necho: {}": (
        "ollama: think: without effect, since there is no model that chats"
    ),
    "anthropic: {model: m, base_url: 'https://h/v1/messages/'}": (
        "anthropic: base_url contains a route of the API (https://h/v1/messages); ORBIT appends it itself, so it uses "
        "https://h"
    ),
    "anthropic: {model: m, base_url: 'https://h/V1/chat/completions'}": (
        "anthropic: base_url contains a route of the API (https://h/V1/chat/completions); ORBIT appends it itself, so "
        "it uses https://h"
    ),
    "openai: {base_url: 'http://h:8000/', model: m}": (
        "openai: base_url: http://h:8000 has no path; most servers have this API below http://h:8000/v1"
    ),
    "anthropic: {model: m, think: true, top_k: 3}": "anthropic: top_k: without effect, since the model thinks",
    "elasticsearch: {node: 'https://h:1', nodes: ['https://g:1']}\necho: {}": (
        "elasticsearch: node: without effect, since nodes takes its place"
    ),
    "elasticsearch: {node: 'http://h:1', verify_certs: false}\necho: {}": (
        "elasticsearch: verify_certs: without effect, since no node begins with https"
    ),
    "elasticsearch: {node: 'https://ann@h:1'}\necho: {}": (
        "elasticsearch: node: https://h:1 has a user without a password; write USER:PASSWORD@ if it needs one"
    ),
    "chroma: {host: h, path: p}\nwordllama: {}\necho: {}": "chroma: path: without effect, since host names a server",
    "chroma: {port: 1, tenant: t}\nwordllama: {}\necho: {}": (
        "chroma: port, tenant: without effect, since no host is set, so the database is the folder in path"
    ),
    "safety: {cache_size: 0, cache_seconds: 1}\necho: {}": (
        "safety: cache_seconds: without effect, since cache_size is 0"
    ),
    "mcp: {servers: {a: {url: 'http://h', verify_certs: false}}}\necho: {}": (
        "mcp: servers.a.verify_certs: without effect, since its url does not begin with https"
    ),
    "web: {start: ['https://h/'], links: false, max_depth: 2}\necho: {}": (
        "web: max_depth: without effect, since links is false"
    ),
}


@pytest.mark.parametrize("config", WITHOUT_EFFECT)
def test_check_names_settings_without_effect(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.yaml").write_text(config)
    host = OrbitHost.from_file(str(tmp_path / "config.yaml"))
    remarks = [
        f"{item.section.path}: {said}"
        for item in host.registry.loaded
        for said in (item.provider.remarks() if item.provider else ())
    ]
    assert not host.problems
    assert remarks == [WITHOUT_EFFECT[config]]


def test_a_wrong_name_comes_before_what_follows_from_it(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("echo: {}\nextract: {otherwise: nobody}\n")
    shown = typed("check", cwd=tmp_path)
    assert shown.returncode == 1
    first, second = shown.stderr.splitlines()[1:]
    assert first.startswith("  - extract.otherwise: no enabled section is named 'nobody'")
    assert second.startswith("  - general.inference_provider: several providers can generate")
