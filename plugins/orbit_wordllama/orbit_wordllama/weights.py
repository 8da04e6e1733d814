"""Where WordLlama's files lie, found without importing the package (which takes half a second)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DIMENSIONS = (64, 128, 256, 512, 1024)
"""What WordLlama models are trained for. A file holds one of them and can be cut to any smaller one."""


def package_dir() -> Path | None:
    """The installed ``wordllama`` package's own folder, which ships weights and tokenizer; None if not installed."""
    spec = importlib.util.find_spec("wordllama")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def find_weights(folders: list[Path], model: str, dimension: int) -> int | None:
    """The smallest stored dimension that is at least ``dimension``; None if no weights file has that many."""
    for stored in DIMENSIONS:
        if stored >= dimension and any(
            (folder / "weights" / f"{model}_{stored}.safetensors").is_file() for folder in folders
        ):
            return stored
    return None


def has_tokenizer(folders: list[Path], model: str) -> bool:
    """Whether the model's tokenizer is there."""
    return any((folder / "tokenizers" / f"{model}_tokenizer_config.json").is_file() for folder in folders)
