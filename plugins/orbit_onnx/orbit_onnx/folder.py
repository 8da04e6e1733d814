"""Reads what a model's folder says about the model: its files, pooling, prefixes and longest text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

POOLINGS: Final = ("mean", "cls", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
_MOST_TOKENS: Final = 8192
"""The longest text that a model reads at once if its folder names no limit that a model can have."""
_QUERY_NAMES: Final = ("query", "search_query", "Query", "retrieval.query", "s2p_query")
_DOCUMENT_NAMES: Final = ("document", "passage", "search_document", "Document", "retrieval.passage", "corpus")


class FolderError(Exception):
    """The folder holds no model that this plugin can use; the message says what is wrong."""


class Folder(msgspec.Struct, frozen=True):
    """A model on disk."""

    model: Path
    tokenizer: Path
    pooling: str
    max_tokens: int
    query_prefix: str
    document_prefix: str

    @property
    def name(self) -> str:
        """Return the name of the folder, with that of the file if it is not the usual one."""
        folder = self.tokenizer.parent.name
        return folder if self.model.stem == "model" else f"{folder}/{self.model.stem}"


def read_folder(place: Path, model: Path | None = None) -> Folder:
    """Read a folder in the layout of sentence-transformers, or the one around an ``.onnx`` file.

    ``model`` is the file of the weights, if it is elsewhere. Raises FolderError.
    """
    place = place.expanduser()
    if not place.exists():
        raise FolderError(f"{place} does not exist")
    if place.is_file():
        if place.suffix != ".onnx":
            raise FolderError(f"{place} is no .onnx file")
        model, place = place, place.parent if (place.parent / "tokenizer.json").is_file() else place.parent.parent
    tokenizer = place / "tokenizer.json"
    model = model or _only_model(place)
    if not tokenizer.is_file():
        raise FolderError(f"{place} has no tokenizer.json; fetch it from the model's page and put it there")
    pooling = _pooling(place)
    prompts = _json(place / "config_sentence_transformers.json").get("prompts") or {}
    return Folder(
        model,
        tokenizer,
        pooling,
        _max_tokens(place),
        _first(prompts, _QUERY_NAMES),
        _first(prompts, _DOCUMENT_NAMES),
    )


def _only_model(place: Path) -> Path:
    found = sorted([*place.glob("*.onnx"), *place.glob("onnx/*.onnx")])
    usual = [path for path in found if path.name == "model.onnx"]
    if not found:
        raise FolderError(f"{place} has no .onnx file, neither in it nor in its folder onnx")
    if len(found) > 1 and not usual:
        names = ", ".join(str(path.relative_to(place)) for path in found)
        raise FolderError(f"{place} has several models ({names}): name the file to use")
    return (usual or found)[0]


def _pooling(place: Path) -> str:
    """Return how token vectors become a text's vector; the mean, unless the folder says otherwise."""
    modules = _json(place / "modules.json")
    kinds = {str(module.get("type", "")).rpartition(".")[2]: str(module.get("path", "")) for module in modules or ()}
    if other := set(kinds) - {"Transformer", "Pooling", "Normalize", "Dense", "Dropout"}:
        raise FolderError(f"{place} has layers that this plugin does not know: {', '.join(sorted(other))}")
    if "Dense" in kinds:
        return "dense"
    settings = _json(place / (kinds.get("Pooling") or "1_Pooling") / "config.json")
    modes = [settings["pooling_mode"]] if isinstance(settings.get("pooling_mode"), str) else _modes(settings)
    if not modes:
        return "mean"
    if len(modes) > 1 or modes[0] not in POOLINGS:
        raise FolderError(f"{place} pools in a way that this plugin does not know: {', '.join(modes)}")
    return str(modes[0])


def _modes(settings: dict[str, Any]) -> list[str]:
    names = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "weightedmean_tokens": "weightedmean"}
    chosen = [key.removeprefix("pooling_mode_") for key, value in settings.items() if value is True and "mode_" in key]
    return [names.get(mode, mode) for mode in chosen]


def _max_tokens(place: Path) -> int:
    """Return the most tokens that the model reads at once: the least of what the folder's files say."""
    config = _json(place / "config.json")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and "roberta" in str(config.get("model_type", "")):
        positions -= 2  # its first two positions are for padding
    limits = [
        _json(place / "sentence_bert_config.json").get("max_seq_length"),
        _json(place / "tokenizer_config.json").get("model_max_length"),
        positions,
    ]
    trained = (_json(place / "tokenizer.json").get("truncation") or {}).get("max_length")  # often less than it can read
    otherwise = trained if isinstance(trained, int) else 512
    return min((limit for limit in limits if isinstance(limit, int) and 0 < limit <= _MOST_TOKENS), default=otherwise)


def _first(prompts: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((str(prompts[name]) for name in names if prompts.get(name)), "")


def _json(path: Path) -> Any:
    """Return the content of a JSON file; an empty mapping if there is no such file."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise FolderError(f"{path} cannot be read: {error}") from error
