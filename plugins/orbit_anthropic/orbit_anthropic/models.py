"""What a server's list says of its models. Pure functions, without connections."""

from typing import Any, Final

import msgspec

from orbit import Capability
from orbit.upstreams import loose_json
from orbit_anthropic.errors import not_compatible
from orbit_anthropic.settings import AnthropicSettings

EVERYTHING: Final[frozenset[Capability]] = frozenset(
    {"tools", "images", "files", "reasoning", "json_schema", "continue"}
)
_FEATURES: Final[dict[str, Capability]] = {
    "image_input": "images",
    "pdf_input": "files",
    "structured_outputs": "json_schema",
}


class Model(msgspec.Struct, frozen=True):
    """A model of a server, as far as its list describes it. None is unknown; tokens count the window and the answer."""

    name: str
    window: int | None = None
    longest: int | None = None
    adaptive: bool | None = None
    """Whether it takes adaptive thinking, rather than a budget."""
    budget: bool | None = None
    """Whether it takes a budget of tokens for thinking."""
    efforts: frozenset[str] | None = None
    """The levels of effort that it takes; empty if it takes none."""
    supports: frozenset[Capability] | None = None


def models_from(body: bytes, url: str) -> list[Model]:
    """Return the models of ``GET /v1/models``; none if it is no list. Raises ProviderError if it is not JSON."""
    try:
        found = loose_json(body)
    except ValueError as error:
        raise not_compatible(url, "it is not a list of models") from error
    items = found.get("data") if isinstance(found, dict) else found
    if not isinstance(items, list):
        return []
    return [_model(item) for item in items if isinstance(item, dict) and item.get("id")]


def supported(settings: AnthropicSettings, listed: Model | None) -> frozenset[Capability]:
    """Return what a model supports: what the operator says, or the list, or else all that the API has."""
    if settings.supports is not None:
        return frozenset(settings.supports)
    return EVERYTHING if listed is None or listed.supports is None else listed.supports


def _model(item: dict[str, Any]) -> Model:
    can = item.get("capabilities")
    window = _whole(item.get("max_input_tokens")) or _whole(item.get("context_length"))
    longest = _whole(item.get("max_tokens"))
    if not isinstance(can, dict) or not can:
        own = item.get("supports")  # another ORBIT says it so; none if it does not know
        listed = EVERYTHING.intersection(own) if isinstance(own, list) and own else None
        return Model(str(item["id"]), window, longest, supports=listed)
    types = _dict(_dict(can.get("thinking")).get("types"))
    effort = _dict(can.get("effort"))
    supports: set[Capability] = {"tools", "continue"}
    supports |= {word for name, word in _FEATURES.items() if _yes(can.get(name))}
    if _yes(can.get("thinking")) or _yes(effort):
        supports.add("reasoning")
    return Model(
        str(item["id"]),
        window,
        longest,
        _yes(types.get("adaptive")) if types else None,
        _yes(types.get("enabled")) if types else None,
        frozenset(name for name, level in effort.items() if _yes(level)) if _yes(effort) else frozenset(),
        frozenset(supports),
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _yes(value: Any) -> bool:
    return bool(_dict(value).get("supported"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
