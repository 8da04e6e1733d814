"""Writes a model's settings into config.yaml and preserves everything else, including comments."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap


def write_settings(config: Path, section: str, settings: Mapping[str, object], default: str) -> None:
    """Set keys of the plugin's section, at the top level or under ``inference``. Create the section if necessary.

    A file that does not exist starts as ``default``. The file is replaced atomically. Raises OSError or YAMLError.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    exists = config.exists()
    document: Any = yaml.load(config.read_text("utf-8") if exists else default)
    if not isinstance(document, CommentedMap):
        document = CommentedMap()
    inference = document.get("inference")
    nested = section not in document and isinstance(inference, dict) and section in inference
    parent = inference if nested else document
    if not isinstance(parent.get(section), dict):
        parent[section] = CommentedMap()
    parent[section].update(settings)
    mode = config.stat().st_mode & 0o777 if exists else 0o600
    with tempfile.NamedTemporaryFile("w", dir=config.parent, encoding="utf-8", delete=False) as file:
        yaml.dump(document, file)
    Path(file.name).chmod(mode)
    os.replace(file.name, config)  # noqa: PTH105 - the name is a string here
