"""Tells whether a server can answer while some of its providers are down, because others answer in their place."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from orbit.host.host import OrbitHost
from orbit.host.plugins.verify import offered_hooks
from orbit.host.providers.registry import OPTIONAL_HOOKS

_OF_MODELS: Final = frozenset({"generate", "models", "count_tokens"})


def missed(host: OrbitHost, down: Collection[str]) -> frozenset[str]:
    """Return the instances of ``down`` without which some request fails.

    Not missed are those that only have tools, read files, log or rerank, unless their section has ``required: true``,
    and providers of models if each of these models has another provider, of its own or of its fallbacks, that is not
    down.
    """
    return frozenset(name for name in down if name in host.registry and not _is_spared(host, name, frozenset(down)))


def _is_spared(host: OrbitHost, name: str, down: frozenset[str]) -> bool:
    hooks = frozenset(offered_hooks(host.registry[name]))
    section = next(item.section for item in host.registry.loaded if item.section.name == name)
    if not hooks or section.required:
        return False
    if hooks <= OPTIONAL_HOOKS:
        return True
    if not hooks <= OPTIONAL_HOOKS | _OF_MODELS or name in _asked_by_name(host):
        return False
    catalogue = host.catalogue
    chains = [catalogue.chain(model) for model in catalogue.routes]
    who = [{target.provider for route in chain for target in route.targets} for chain in chains]
    return all(providers - down for providers in who if name in providers)


def _asked_by_name(host: OrbitHost) -> set[str]:
    """Return the instances that judges, rerankers and the rewriter ask without a model's other providers."""

    def names() -> Iterator[str]:
        yield host.config.host.retrieval.rewriter
        for other in host.registry.names():
            if not OPTIONAL_HOOKS.issuperset(offered_hooks(host.registry[other])):
                for need in host.registry[other].needs():
                    yield (need.provider or host.roles.generate) if need.hook == "generate" else ""

    return set(names()) - set(host.config.host.models.named)
