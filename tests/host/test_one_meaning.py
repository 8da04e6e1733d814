"""Settings with one meaning are one setting: how many documents are asked for, and how many the model gets."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from orbit import Document, Provider, Query, hookimpl
from orbit.cli import orbit
from orbit.host.host import OrbitHost
from orbit.testing import make_host, serve

BASE: dict[str, Any] = {"echo": {}, "wordllama": {}}


def numbers(host: OrbitHost) -> tuple[int, int]:
    retrieval = host.config.host.retrieval
    return retrieval.limit, retrieval.max_documents


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"chroma": {}}, (10, 4)),
        ({"chroma": {"max_results": 5, "return_results": 3}}, (5, 3)),
        ({"chroma": {"max_results": 5, "return_results": 3}, "reranker": {"top_n": 3}}, (5, 3)),
        ({"chroma": {"return_results": 5}, "reranker": {"top_n": 2}}, (10, 2)),
        ({"reranker": {"top_n": 2}, "chroma": {"return_results": 5}}, (10, 2)),
        ({"chroma": {}, "reranker": {"top_n": 6}}, (10, 6)),
        ({"chroma": {}, "reranker": {"top_n": 6, "enabled": False}}, (10, 4)),
        ({"chroma": {}, "retrieval": {"max_documents": 30}}, (30, 30)),
        ({"chroma": {}, "reranker": {"top_n": 30}}, (30, 30)),
        ({"chroma": {}, "retrieval": {"limit": 2}}, (2, 4)),
        ({"chroma": {"max_results": 7}, "retrieval": {"limit": 7}}, (7, 4)),
        ({"chroma": {}, "second": {"use": "shelf"}, "retrieval": {"limit": 5, "max_documents": 10}}, (5, 10)),
    ],
)
def test_earlier_names_mean_the_same(config: dict[str, Any], expected: tuple[int, int], tmp_path: Path) -> None:
    host = make_host({**BASE, **config}, tmp_path)
    assert [str(problem) for problem in host.problems] == []
    assert numbers(host) == expected


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (
            {"chroma": {"max_results": 5}, "retrieval": {"limit": 8}},
            "chroma.max_results: is 5, but retrieval.limit is 8; delete chroma.max_results, its earlier name.",
        ),
        (
            {"chroma": {"return_results": 4}, "retrieval": {"max_documents": 6}},
            "chroma.return_results: is 4, but retrieval.max_documents is 6; delete",
        ),
        (
            {"chroma": {"return_results": 4}, "reranker": {"top_n": 6}},
            "reranker.top_n: is 6, but chroma.return_results lets only 4 documents through.",
        ),
        (
            {"chroma": {"max_results": 5}, "other": {"use": "chroma", "max_results": 6}},
            "other.max_results: is 6, but chroma.max_results is 5; both are earlier names of one setting.",
        ),
        (
            {"chroma": {}, "retrieval": {"limit": 3, "max_documents": 6}},
            "retrieval.max_documents: is 6, but retrieval.limit lets retrievers find only 3 documents; raise that",
        ),
        (
            {"chroma": {"max_results": 2, "return_results": 3}},
            "retrieval.max_documents: is 3, but retrieval.limit lets retrievers find only 2",
        ),
    ],
)
def test_contradictions_are_problems(config: dict[str, Any], problem: str, tmp_path: Path) -> None:
    general = {"general": {"store_provider": "chroma"}}
    assert any(problem in str(found) for found in make_host({**general, **BASE, **config}, tmp_path).problems)


def test_check_tells_of_earlier_names(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("echo: {}\nwordllama: {}\nchroma:\n  max_results: 5\n")
    result = CliRunner().invoke(orbit, ["check", "--config", str(config)])
    assert result.exit_code == 0, result.output
    assert "Note: chroma.max_results is an earlier name of retrieval.limit, which now holds for all" in result.output


class Counting(Provider):
    """Finds as many documents as it is asked for, and notes how many were put in order."""

    ranked = 0

    @hookimpl
    async def retrieve(self, query: Query, limit: int) -> list[Document]:
        return [Document(str(number), f"text {number}") for number in range(limit)]

    @hookimpl
    async def rerank(self, documents: list[Document], limit: int) -> list[Document]:
        self.ranked = len(documents)
        return documents[:limit]


def test_a_reranker_sees_all_that_was_found(tmp_path: Path) -> None:
    import httpx

    config = {"echo": {}, "counting": {}, "reranker": {"top_n": 3, "provider": "echo"}}
    with serve(config, tmp_path, {"counting": Counting}) as server:
        headers = {"X-API-Key": server.key}
        answer = httpx.post(f"{server.url}/chat", json={"message": "x", "stream": False}, headers=headers).json()
        assert server.provider("counting").ranked == 10
    assert len(answer["sources"]) == 3
