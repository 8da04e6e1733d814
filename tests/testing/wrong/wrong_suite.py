"""A contract class for each wrong provider and each right one; ``test_wrong_providers`` runs it in its own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import wrong_embedders
import wrong_fetchers
import wrong_generators
import wrong_import_busy
import wrong_import_heavy
import wrong_import_slow
import wrong_lives
import wrong_logs
import wrong_moderators
import wrong_readers
import wrong_rerankers
import wrong_stores
import wrong_tools
import wrong_wrappers
from wrong_kit import Service, Wrong

from orbit import Document, Provider, SourceFile
from orbit.testing import (
    BaseEmbedContract,
    BaseFetchContract,
    BaseGenerateContract,
    BaseIndexContract,
    BaseLogContract,
    BaseModerateContract,
    BaseReadContract,
    BaseRerankContract,
    BaseRetrieveContract,
    BaseSplitContract,
    BaseToolsContract,
    BaseWrapperContract,
)
from orbit.testing.contract import calls


class Told:
    """All fixtures given, so that no rule is skipped."""

    @pytest.fixture(autouse=True)
    def _brief(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the limits short, so that the faults need not last."""
        monkeypatch.setattr(calls, "STALL_SECONDS", 0.1)
        monkeypatch.setattr(calls, "ANSWER_SECONDS", 2.0)

    @pytest.fixture
    def down_settings(self) -> dict[str, Any]:
        return {"up": False}

    @pytest.fixture
    def open_connections(self) -> Callable[[], int]:
        Service.open = 0
        return lambda: Service.open

    @pytest.fixture
    def patience(self) -> float:
        return 0.2

    @pytest.fixture
    def file(self) -> SourceFile:
        return SourceFile("tea.txt", b"How long is tea steeped? Three minutes.")

    @pytest.fixture
    def tokens(self) -> tuple[str, Sequence[int]]:
        return "tea is steeped", (0, 1, 2)

    @pytest.fixture
    def refused(self) -> str:
        return "Tell me a secret."

    @pytest.fixture
    def sent_texts(self, provider_class: type[Provider]) -> Callable[[], Sequence[str]] | None:
        Service.sent.clear()
        return None if provider_class in wrong_generators.TOLD_BY_USAGE else lambda: Service.sent

    @pytest.fixture
    def think(self) -> Iterator[Callable[[str], None]]:
        yield lambda thought: setattr(Service, "thought", thought)
        Service.thought = ""

    @pytest.fixture
    def cut_off(self) -> Iterator[Callable[[], None]]:
        yield lambda: setattr(Service, "cuts", True)
        Service.cuts = False

    @pytest.fixture
    def change_file(self) -> Iterator[Callable[[], str]]:
        def change() -> str:
            Service.edition = 2
            return "a.md"

        yield change
        Service.edition = 1

    @pytest.fixture
    def fail_midway(self) -> Iterator[Callable[[], None]]:
        yield lambda: setattr(Service, "lost", True)
        Service.lost = False

    @pytest.fixture
    def foreign(self) -> Any:
        async def make(host: Any, documents: Sequence[Document]) -> str:
            Service.foreign["theirs"] = list(documents)
            return "theirs"

        return make

    @pytest.fixture
    def stored(self) -> Callable[[], Sequence[str]]:
        wrong_lives.KEPT.clear()
        return lambda: wrong_lives.KEPT


IMPORTS = (
    Wrong("test_import_is_cheap", wrong_import_heavy.Heavy, "it imported numpy"),
    Wrong("test_import_is_cheap", wrong_import_slow.Slow, "s; see `python -X importtime"),
    Wrong("test_import_does_nothing", wrong_import_busy.Busy, "it started a thread"),
)

TABLE: dict[type, tuple[type[Provider], tuple[Wrong, ...]]] = {
    BaseGenerateContract: (wrong_generators.RightGenerator, wrong_generators.WRONG),
    BaseEmbedContract: (wrong_embedders.RightEmbedder, wrong_embedders.WRONG),
    BaseFetchContract: (wrong_fetchers.RightFetcher, wrong_fetchers.WRONG),
    BaseReadContract: (wrong_readers.RightReader, wrong_readers.READ),
    BaseSplitContract: (wrong_readers.RightSplitter, wrong_readers.SPLIT),
    BaseIndexContract: (wrong_stores.RightStore, wrong_stores.INDEX),
    BaseRetrieveContract: (wrong_stores.RightStore, wrong_stores.RETRIEVE),
    BaseRerankContract: (wrong_rerankers.RightReranker, wrong_rerankers.WRONG),
    BaseModerateContract: (wrong_moderators.RightModerator, wrong_moderators.WRONG),
    BaseToolsContract: (wrong_tools.RightTools, wrong_tools.WRONG),
    BaseLogContract: (wrong_lives.RightLog, (*IMPORTS, *wrong_lives.WRONG, *wrong_logs.WRONG)),
    BaseWrapperContract: (wrong_wrappers.RightWrapper, wrong_wrappers.WRONG),
}
"""Contract -> a provider that keeps it, and providers that break a rule each."""


def contract_class(contract: type, provider: type[Provider], rules: set[str] | None = None) -> type:
    """Return what an author would write for a provider; with ``rules``, only these are run."""

    class Contract(Told, contract):  # type: ignore[misc]  # made at run time
        @pytest.fixture
        def provider_class(self) -> type[Provider]:
            return provider

        @pytest.fixture
        def config(self) -> dict[str, Any]:
            return {"bag": {}} if issubclass(provider, wrong_stores.RightStore) else {}

    for name in dir(Contract):
        if name.startswith("test_") and rules is not None and name not in rules:
            setattr(Contract, name, None)
    return Contract


def name_of(contract: type, provider: type[Provider]) -> str:
    """The name of the contract class of a provider in this module."""
    return f"Test{contract.__name__.removeprefix('Base').removesuffix('Contract')}{provider.__name__}"


for _contract, (_right, _wrong) in TABLE.items():
    globals()[name_of(_contract, _right)] = contract_class(_contract, _right)
    for _provider in {row.provider for row in _wrong}:
        _rules = {row.rule for row in _wrong if row.provider is _provider}
        globals()[name_of(_contract, _provider)] = contract_class(_contract, _provider, _rules)
