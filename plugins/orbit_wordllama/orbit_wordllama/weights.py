"""Finds WordLlama's files without importing the package, which takes half a second."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DIMENSIONS = (64, 128, 256, 512, 1024)
"""Dimensions of WordLlama models. Each file has one of them, and its vectors can be cut to any smaller one."""


def package_dir() -> Path | None:
    """Return the folder of the ``wordllama`` package, which contains weights and tokenizer; None if not installed."""
    spec = importlib.util.find_spec("wordllama")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def find_weights(folders: list[Path], model: str, dimension: int) -> int | None:
    """Return the smallest stored dimension that is at least ``dimension``; None if no weights file has that many."""
    for stored in DIMENSIONS:
        if stored >= dimension and any(
            (folder / "weights" / f"{model}_{stored}.safetensors").is_file() for folder in folders
        ):
            return stored
    return None


def has_tokenizer(folders: list[Path], model: str) -> bool:
    """Return whether the model's tokenizer is installed."""
    return any((folder / "tokenizers" / f"{model}_tokenizer_config.json").is_file() for folder in folders)
