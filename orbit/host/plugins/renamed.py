"""Maps renamed plugin settings to the host's settings that replaced them, and reports contradictions.

A plugin marks a renamed setting with ``Meta(extra={"renamed": "retrieval.limit"})`` and gives it the default None.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from orbit.config.model import Config
from orbit.errors import Problem
from orbit.host.plugins.load import Loaded
from orbit.host.plugins.verify import implemented_hooks

_Use = tuple[bool, str, Any]
"""Whether a reranker has the setting (rerankers run after all retrievers), its path, and its value."""


def with_renamed(config: Config, loaded: Sequence[Loaded]) -> tuple[Config, list[Problem], list[str]]:
    """Return the configuration with renamed settings moved to the host's, the contradictions, and the notices."""
    problems: list[Problem] = []
    notices: list[str] = []
    values: dict[str, Any] = {}
    for target, uses in _uses(loaded).items():
        section, _, setting = target.partition(".")
        now = getattr(getattr(config.host, section), setting)
        for _, path, value in uses:
            notices.append(f"{path} is an earlier name of {target}, which now holds for all providers.")
            if target in config.given and value != now:
                problems.append(Problem(path, f"is {value}, but {target} is {now}; delete {path}, its earlier name."))
        problems += _contradictions(uses)
        if target not in config.given:
            values[setting] = min(value for _, _, value in uses)
    host = msgspec.structs.replace(config.host, retrieval=msgspec.structs.replace(config.host.retrieval, **values))
    given = config.given | {f"retrieval.{setting}" for setting in values}
    return msgspec.structs.replace(config, host=host, given=given), problems, notices


def shorter_deadlines(config: Config, loaded: Sequence[Loaded]) -> Iterator[str]:
    """Yield a notice for each deadline of a plugin that exceeds the host's own.

    A plugin marks such a setting with ``Meta(extra={"within": "timeouts.rerank"})``.
    """
    for item in loaded:
        for path, target, seconds in _marked(item, "within"):
            section, _, setting = target.partition(".")
            limit: float = getattr(getattr(config.host, section), setting)
            if seconds > limit:
                yield f"{path} is {seconds:g} s, but {target} is {limit:g} s: the shorter one counts."


def with_limits(config: Config, retrievers: int) -> tuple[Config, list[Problem]]:
    """Increase ``retrieval.limit`` to find ``retrieval.max_documents``. Returns a problem if the file sets both."""
    retrieval = config.host.retrieval
    found = retrieval.limit * max(1, retrievers)
    if found >= retrieval.max_documents or "retrieval.max_documents" not in config.given:
        return config, []
    if "retrieval.limit" in config.given:
        sentence = (
            f"is {retrieval.max_documents}, but retrieval.limit lets retrievers find only {found} documents; "
            "raise that, or lower this."
        )
        return config, [Problem("retrieval.max_documents", sentence)]
    raised = msgspec.structs.replace(retrieval, limit=retrieval.max_documents)
    return msgspec.structs.replace(config, host=msgspec.structs.replace(config.host, retrieval=raised)), []


def _uses(loaded: Sequence[Loaded]) -> dict[str, list[_Use]]:
    """Return the renamed settings that the configuration sets, by their new names; those of rerankers come last."""
    found: dict[str, list[_Use]] = defaultdict(list)
    for item in loaded:
        if item.provider is None:
            continue
        late = "rerank" in implemented_hooks(type(item.provider))
        for path, target, value in _marked(item, "renamed"):
            found[target].append((late, path, value))
    return {target: sorted(uses, key=lambda use: use[0]) for target, uses in found.items()}


def _marked(item: Loaded, mark: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the path, the host's setting and the value of each setting of a plugin that ``Meta.extra`` marks."""
    if item.provider is None:
        return
    for field in msgspec.structs.fields(type(item.provider.settings)):
        target = next(filter(None, ((meta.extra or {}).get(mark) for meta in _metas(field.type))), "")
        value = getattr(item.provider.settings, field.name)
        if target and value is not None:
            yield f"{item.section.path}.{field.encode_name}", target, value


def _contradictions(uses: Sequence[_Use]) -> list[Problem]:
    """Report retrievers that disagree, and rerankers that keep more documents than the retrievers return."""
    problems = []
    (first_late, first, value), *others = uses
    for late, path, other in others:
        if late and not first_late:
            if other > value:
                problems.append(Problem(path, f"is {other}, but {first} lets only {value} documents through."))
        elif other != value:
            sentence = f"is {other}, but {first} is {value}; both are earlier names of one setting."
            problems.append(Problem(path, sentence))
    return problems


def _metas(kind: Any) -> list[msgspec.Meta]:
    return [meta for meta in getattr(kind, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
