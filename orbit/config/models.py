"""The section ``models``: the names that clients may ask for, and the providers behind each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orbit.config.convert import in_yaml, suggest
from orbit.errors import Problem

_DEFAULT = "default"
_NAMED = "NAME"


class ModelOptions(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Options of a model for requests that do not choose their own."""

    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    reasoning_effort: str | None = None


class ModelSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``models.NAME``: one model that clients may name."""

    provider: str | tuple[str, ...]
    """The provider instance that answers, or several that share the load."""
    model: str = ""
    """The provider's name of the model; empty for the one in its section."""
    fallback: str | tuple[str, ...] = ()
    """The models that answer, in order, if no provider can."""
    options: ModelOptions = ModelOptions()
    """Options for requests that do not choose their own."""
    internal: bool = False
    """Only for providers that ask a model, such as judges: clients cannot name it."""


class ModelsSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """``models``: the models that clients may name. Without it, every provider that generates is one."""

    default: Annotated[str, Meta(description="Model for requests that name none; not needed if there is only one.")] = (
        ""
    )
    named: Annotated[
        dict[str, ModelSettings],
        Meta(
            description="Each other key is the name of a model; its settings are `provider` (an instance, or a list), "
            "`model`, `fallback` (other models, in order), `options` and `internal`."
        ),
    ] = msgspec.field(name=_NAMED, default_factory=dict)


def shaped(section: Any) -> Any:
    """Return the section as ``ModelsSettings`` has it: the names, if they have sections, apart from the settings."""
    if not isinstance(section, Mapping):
        return section
    named = {str(name): value for name, value in section.items() if name != _DEFAULT and _is_section(value)}
    return {_DEFAULT: section.get(_DEFAULT), _NAMED: named}


def without_section(section: Any) -> Iterator[Problem]:
    """Yield a problem for each model that is no section, such as a misspelled ``default``."""
    for name, value in section.items() if isinstance(section, Mapping) else ():
        if name != _DEFAULT and not _is_section(value):
            close = suggest(str(name), [_DEFAULT])
            sentence = f"expected a section of settings such as {{provider: ollama}}, got {in_yaml(value)}.{close}"
            yield Problem(f"models.{name}", sentence)


def _is_section(value: Any) -> bool:
    return value is None or isinstance(value, Mapping)


def as_written(problem: Problem) -> Problem:
    """Return a problem with the path that the setting has in the file."""
    path = problem.path.replace(f"models.{_NAMED}.", "models.", 1)
    return Problem(path, problem.message)


def listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return one name or several as a tuple."""
    return (value,) if isinstance(value, str) else value
