"""Checks that providers and settings find the providers that they name, before anything starts and again afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orbit.config.collection_names import name_problem
from orbit.config.convert import suggest
from orbit.config.model import Config
from orbit.errors import Problem
from orbit.host.providers.registry import Registry
from orbit.types import Need

DOES = {"generate": "generates", "embed": "embeds"}
VERBS = {"generate": "generate", "embed": "embed", "index": "store documents"}
EXAMPLES = {"generate": "one, for example with 'ollama:'", "embed": "one, for example with 'onnx:'"}


def unmet_needs(config: Config, registry: Registry, selected: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each need that no instance meets. ``selected`` names the chosen instance for each hook."""
    for item in registry.loaded:
        if item.provider is None or item.section.name not in registry:
            continue
        for need in item.provider.needs():
            yield from _unmet(item.section.path, need, config, registry, selected)


def name_problems(config: Config, registry: Registry) -> Iterator[Problem]:
    """Yield a problem for each setting that names an instance, a model or a collection that cannot serve."""
    yield from _names_in_sections(config, registry)
    yield from _unknown_names(config, registry)
    yield from _unusable_collections(config, registry)


def _names_in_sections(config: Config, registry: Registry) -> Iterator[Problem]:
    """Yield a problem for each setting of a provider that names an instance which cannot do what is needed."""
    for item in registry.loaded:
        if item.provider is not None and item.section.name in registry:
            for need in item.provider.needs():
                yield from _misnamed(item.section.path, need, config, registry)


def _unknown_names(config: Config, registry: Registry) -> Iterator[Problem]:
    """Yield a problem for each setting of the host that is about a provider that does not exist."""
    rewriter, generating = config.host.retrieval.rewriter, registry.implementing("generate")
    if rewriter and rewriter not in config.host.models.named and rewriter not in generating:
        able = tuple(dict.fromkeys((*config.host.models.named, *generating)))
        can = ", ".join(able) or "none"
        sentence = f"there is no model or provider '{rewriter}'.{suggest(rewriter, able)} Those that can: {can}."
        yield Problem("retrieval.rewriter", sentence)
    sync, weights = config.host.sync, config.host.retrieval.weights
    for path, names, hook, kind, does in (
        ("sync.collections", sync.collections, "fetch", "connector", "fetch files"),
        ("sync.intervals", sync.intervals, "fetch", "connector", "fetch files"),
        ("retrieval.weights", weights, "retrieve", "retriever", "find passages"),
    ):
        able = registry.implementing(hook)
        for name in names:
            if name not in able and name not in config.switched_off:
                sentence = (
                    f"'{name}' is no {kind}.{suggest(name, able)} Providers that {does}: {', '.join(able) or 'none'}."
                )
                yield Problem(f"{path}.{name}", sentence)


def _unusable_collections(config: Config, registry: Registry) -> Iterator[Problem]:
    """Yield a problem for each collection of a connector, or default one of a store, that nothing can be written into.

    A store that adopts collections of other programs may serve one with any name.
    """
    named = config.host.sync.collections
    wanted = {f"sync.collections.{name}": named.get(name, name) for name in registry.implementing("fetch")}
    adopting = registry.implementing("adopt")
    for name in registry.implementing("index"):
        if name not in adopting and (default := registry[name].default_collection()):
            wanted[f"{name}.collection"] = default
    for setting, collection in wanted.items():
        if problem := name_problem(collection):
            yield Problem(setting, problem)


def _is_model(need: Need, config: Config) -> bool:
    """Return whether a need names a model of the section ``models``, whose providers are checked with it."""
    return need.hook == "generate" and need.provider in config.host.models.named


def _misnamed(path: str, need: Need, config: Config, registry: Registry) -> Iterator[Problem]:
    able = registry.implementing(need.hook)
    if need.provider and need.provider not in able and not _is_model(need, config):
        can = ", ".join(able) or "none"
        sentence = f"{cannot(config, registry, need.provider, need.hook)}; providers that can: {can}."
        yield Problem(f"{path}.{need.setting}", sentence)


def _unmet(path: str, need: Need, config: Config, registry: Registry, selected: Mapping[str, str]) -> Iterator[Problem]:
    able = registry.implementing(need.hook)
    if _is_model(need, config):
        if need.model:
            named = f"models.{need.provider}.model"
            sentence = f"leave it out: {named} names the provider's model of '{need.provider}'."
            yield Problem(f"{path}.model", sentence)
        return
    name = need.provider or selected.get(need.hook, "")
    if need.provider and need.provider not in able:
        yield from _misnamed(path, need, config, registry)
    elif not able and need.hook != "generate":  # the check of the generating role reports that one
        does, example = DOES[need.hook], EXAMPLES[need.hook]
        yield Problem(path, f"needs a provider that {does}, and none is enabled; enable {example}.")
    elif name and need.model and (reason := registry[name].refuses_model(need.model)):
        yield Problem(f"{path}.model", f"'{name}' cannot answer with the model '{need.model}': {reason}")


def cannot(config: Config, registry: Registry, name: str, hook: str) -> str:
    """Return, as half a sentence, why the instance ``name`` cannot serve a hook."""
    if name in registry:
        return f"'{name}' cannot {VERBS[hook]}"
    if name in registry.failed:
        return f"'{name}' could not start"
    if name in config.switched_off:
        return f"the section '{name}' is switched off (enabled: false)"
    return f"no enabled section is named '{name}', to {VERBS[hook]}"
