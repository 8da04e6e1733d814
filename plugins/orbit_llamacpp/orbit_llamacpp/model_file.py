"""Find the model file that ``model_path`` names, and say plainly what is wrong with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final

from orbit_llamacpp.gguf import Header, NotGGUFError, read_header

_PACKAGE: Final = "package:"


class ModelFileError(Exception):
    """There is no usable model where ``model_path`` points; the message says what is there instead."""


def locate(model_path: str) -> Path:
    """The file that ``model_path`` names. Nothing is imported. Raises ModelFileError."""
    if model_path.startswith(_PACKAGE):
        return _in_package(model_path.removeprefix(_PACKAGE))
    path = Path(model_path).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder; {_choice(path)}")
    if not path.parent.is_dir():
        raise ModelFileError(f"{path} does not exist, nor does its folder")
    raise ModelFileError(f"{path} does not exist; {_choice(path.parent)}")


def inspect(path: Path) -> Header:
    """The header of a model file. Raises ModelFileError."""
    try:
        return read_header(path)
    except NotGGUFError as error:
        raise ModelFileError(f"{path} {error}") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


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
        raise ModelFileError(f"the package {package} ships no .gguf file")
    listed = ", ".join(f"{_PACKAGE}{package}/{path}" for path in found)
    raise ModelFileError(f"the package {package} ships several models; name one: {listed}")


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
    return f"there are: {', '.join(names)}" if names else f"{folder} holds no .gguf file"
