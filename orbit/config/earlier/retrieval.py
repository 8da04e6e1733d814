"""Retrieval: of the earlier adapters and datasources, Chroma has a counterpart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from orbit.config.earlier.translation import MISSING, Translation, is_on

_INGEST = "ingest the content with `orbit ingest`"
_ADOPT = "a collection of the earlier ORBIT is adopted with `orbit collections adopt NAME`"
_THRESHOLDS = ("confidence_threshold", "relevance_threshold")


class RetrievalPlan(msgspec.Struct, frozen=True):
    """What the models are needed for."""

    searches: bool
    """Whether questions search a store, so that a model must embed."""
    embedding: str = ""
    """The embedding provider that the adapter or datasource names instead of the general one."""


def translate_retrieval(translation: Translation) -> RetrievalPlan:
    """Translate adapters and datasources to ``chroma`` and ``retrieval``."""
    wanted = translation.take("general.adapter")
    named = translation.take("general.datasource_provider")
    alone = translation.take("general.inference_only")
    if isinstance(translation.get("inference_only"), bool | str):
        alone = translation.take("inference_only")
    listed = translation.take("adapters")
    adapters = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    datasources = translation.section("datasources")
    chosen = _chosen(adapters, wanted)
    if alone is not MISSING:
        translation.note("retrieval", "general.inference_only: every client needs a key now, see `orbit keys create`.")
    inference_only = alone is not MISSING and is_on(alone)
    source = chosen.get("datasource") if chosen else named
    override = _embedding_of(_config(chosen), datasources.get("chroma"))
    embeds = bool(override) or is_on(translation.section("embedding").get("enabled"))
    searches = (
        not inference_only
        and embeds
        and (source == "chroma" or (source in (None, MISSING) and "chroma" in datasources))
    )
    for adapter in adapters:
        if adapter is not chosen or not searches:
            name = adapter.get("name", "?")
            translation.left_out[f"adapters '{name}'"] = (
                _INGEST if adapter.get("datasource") not in (None, "none") else ""
            )
    settings = translation.take("datasources.chroma")
    if searches and isinstance(settings, dict) and translation.get("chroma") is MISSING:
        _chroma(translation, settings, chosen or {})
    elif searches and translation.get("chroma") is MISSING:
        _chroma(translation, {}, chosen or {})
    for name in list(datasources):
        translation.leave_out(f"datasources.{name}", _INGEST)
    translation.take("datasources")
    searches = translation.get("chroma") not in (MISSING, None) and is_on(translation.section("chroma").get("enabled"))
    return RetrievalPlan(searches, override)


def _embedding_of(*parts: Any) -> str:
    """Return the embedding provider that one of the sections names instead of the general one."""
    named = (part.get("embedding_provider") for part in parts if isinstance(part, dict))
    return next((str(name) for name in named if name), "")


def _chosen(adapters: list[dict[str, Any]], wanted: Any) -> dict[str, Any] | None:
    enabled = [one for one in adapters if is_on(one.get("enabled"))]
    if wanted not in (MISSING, None, ""):
        return next((one for one in adapters if one.get("name") == wanted), None)
    return next((one for one in enabled if one.get("datasource") == "chroma"), enabled[0] if enabled else None)


def _config(adapter: dict[str, Any] | None) -> dict[str, Any]:
    config = adapter.get("config") if adapter else None
    return config if isinstance(config, dict) else {}


def _chroma(translation: Translation, source: dict[str, Any], adapter: dict[str, Any]) -> None:
    settings: dict[str, Any] = {}
    if is_on(source.get("use_local"), default=False):
        settings["path"] = _from_data_dir(translation, str(source.get("db_path") or "chroma_db"))
    else:
        settings["host"] = source.get("host") or "localhost"
        if source.get("port") is not None:
            settings["port"] = source["port"]
    config = _config(adapter)
    values = {**source, **config}
    if collection := values.get("collection"):
        settings["collection"] = collection
    factor = config.get("distance_scaling_factor")
    for name in _THRESHOLDS:
        if values.get(name) is not None:
            _threshold(translation, settings, name, values[name], factor)
    translation.data["chroma"] = settings
    origin = f"datasources.chroma and the adapter '{adapter.get('name')}'" if adapter else "datasources.chroma"
    translation.note(
        "chroma", f"{origin} are now chroma; {_ADOPT}." if adapter else f"{origin} is now chroma; {_ADOPT}."
    )
    for old, new in (("max_results", "retrieval.limit"), ("return_results", "retrieval.max_documents")):
        if values.get(old) is not None and translation.put(new, values[old]):
            translation.note("retrieval", f"{old} is now {new}.")


def _threshold(translation: Translation, settings: dict[str, Any], name: str, value: Any, factor: Any) -> None:
    """Convert a threshold to cosine similarity.

    With a scaling factor, the earlier score was 1 / (1 + d / factor) of Chroma's squared distance d, which is
    2 - 2 cos for vectors of length 1.
    """
    if factor is None:
        settings[name] = value
        return
    try:
        cosine = round(1 - float(factor) * (1 / float(value) - 1) / 2, 3)
    except (TypeError, ValueError, ZeroDivisionError):
        cosine = 0.0
    if 0 < cosine <= 1:
        settings[name] = cosine
        translation.note("chroma", f"{name} {value} of distances scaled by {factor} is {cosine} as cosine similarity.")
    else:
        sentence = (
            f"{name} {value} of distances scaled by {factor} has no equivalent as cosine similarity (0 to 1); the "
            f"default holds. Set chroma.{name} once you have seen the scores of real questions."
        )
        translation.note("chroma", sentence)


def _from_data_dir(translation: Translation, path: str) -> str:
    """Return a path that started at the working directory as one that starts at general.data_dir."""
    data_dir = translation.section("general").get("data_dir", "data")
    if Path(path).is_absolute() or "$" in path or not isinstance(data_dir, str) or Path(data_dir).is_absolute():
        return str(Path(path).absolute()) if "$" not in path else path
    return os.path.relpath(path, data_dir)
