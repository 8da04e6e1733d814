"""Finds the model file for ``model_path``, and explains what is wrong with it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Final

import msgspec

from orbit_llamacpp.gguf import Header, NotGGUFError, read_header

_PACKAGE: Final = "package:"
_PART: Final = re.compile(r"(?P<stem>.+)-\d{5}-of-(?P<count>\d{5})\.gguf")
_ENCODER_DECODERS: Final = ("t5",)


class ModelFileError(Exception):
    """``model_path`` leads to no usable model; the message says what is there instead."""


def locate(model_path: str) -> Path:
    """Return the file for ``model_path``, without importing anything. Raises ModelFileError."""
    if model_path.startswith(_PACKAGE):
        return _in_package(model_path.removeprefix(_PACKAGE))
    path = Path(model_path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder; {_choice(path)}")
    if not path.parent.is_dir():
        where = path.parent.absolute()
        way = "to download a model: orbit llama_cpp pull"
        raise ModelFileError(f"{path} does not exist, and neither does its folder, {where}; {way}")
    raise ModelFileError(f"{path} does not exist; {_choice(path.parent)}")


def inspect(path: Path) -> Header:
    """Return the header of a model file. Raises ModelFileError."""
    header = _header(path)
    if reason := _no_model(header):
        raise ModelFileError(f"{path} {reason}")
    number, count = header.part
    parts = part_names(path.name, count)
    if count == 1 or not parts:
        return header
    if number:
        raise ModelFileError(f"{path} is part {number + 1} of {count} of a model; choose the first, {parts[0]}")
    missing = [name for name in parts if not path.with_name(name).is_file()]
    if missing:
        raise ModelFileError(f"{path} is one of {count} parts of a model; missing beside it: {', '.join(missing)}")
    size = sum(path.with_name(name).stat().st_size for name in parts)
    return msgspec.structs.replace(header, file_size=size)


def part_names(name: str, count: int | None = None) -> list[str]:
    """Return the names of all parts of a model in several files, from the name of one; empty for a single file."""
    found = _PART.fullmatch(name)
    if found is None or count not in (None, int(found["count"])):
        return []
    return [f"{found['stem']}-{number:05}-of-{found['count']}.gguf" for number in range(1, int(found["count"]) + 1)]


def _header(path: Path) -> Header:
    try:
        return read_header(path)
    except NotGGUFError as error:
        raise ModelFileError(f"{path} {error}") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


def _no_model(header: Header) -> str:
    """Return what a GGUF file contains instead of a model; empty if it contains one."""
    kind = header.metadata.get("general.type", "model")
    if kind == "mmproj" or header.architecture in ("clip", "mmproj"):
        return "lets a model see images (mmproj) and is not a model itself; choose the model's file beside it"
    if kind == "adapter" or "adapter.type" in header.metadata:
        return "is an adapter (LoRA), not a model; merge it into its model first"
    if kind == "imatrix":
        return "is an importance matrix for quantizing a model, not a model"
    if header.architecture in _ENCODER_DECODERS:
        return f"is an encoder-decoder model ({header.architecture}); ORBIT supports only decoders and embedding models"
    if not header.architecture:
        return "does not contain the architecture of a model"
    return "" if header.tensors else "contains a vocabulary but no weights"


def _in_package(reference: str) -> Path:
    package, _, name = reference.partition("/")
    folder = _folder_of(package)
    found = sorted(path.relative_to(folder) for path in folder.rglob("*.gguf"))
    if name:
        if Path(name) in found:
            return folder / name
        raise ModelFileError(f"the package {package} has no file {name}; {_choice(folder)}")
    if len(found) == 1:
        return folder / found[0]
    if not found:
        raise ModelFileError(f"the package {package} contains no .gguf file")
    listed = ", ".join(f"{_PACKAGE}{package}/{path}" for path in found)
    raise ModelFileError(f"the package {package} contains several models; choose one: {listed}")


def _folder_of(package: str) -> Path:
    if not package.isidentifier():
        raise ModelFileError(f"'{package}' is not the name of a Python package; write {_PACKAGE}NAME")
    spec = importlib.util.find_spec(package)
    if spec is None:
        distribution = package.replace("_", "-")
        raise ModelFileError(f"the package {package} is not installed; pip install {distribution}")
    for folder in spec.submodule_search_locations or ():
        return Path(folder)
    raise ModelFileError(f"{package} is a single module, not a package with files")


def _choice(folder: Path) -> str:
    names = sorted(path.name for path in folder.glob("*.gguf"))
    return f"available: {', '.join(names)}" if names else f"{folder} contains no .gguf file"
