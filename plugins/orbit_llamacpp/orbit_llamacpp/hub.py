"""Downloads models from the Hugging Face hub: lists a repository's files, fetches one and verifies it."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_BLOCK: Final = 1 << 20


class HubError(Exception):
    """The download failed; the message says why and what to do."""


class RemoteFile(msgspec.Struct, frozen=True):
    """A GGUF file in a repository; ``size`` in bytes and ``sha256`` come from the hub."""

    name: str
    size: int | None
    sha256: str | None


def list_files(repository: str) -> list[RemoteFile]:
    """Return the GGUF files of a repository. Raises HubError."""
    hub = _hub()
    try:
        info = hub.HfApi().model_info(repository, files_metadata=True)
    except Exception as error:
        raise _explained(error, repository) from error
    return [
        RemoteFile(item.rfilename, item.size, item.lfs.sha256 if item.lfs else None)
        for item in info.siblings or ()
        if item.rfilename.endswith(".gguf")
    ]


def target(folder: Path, name: str) -> Path:
    """Return the local path of a repository's file. Raises HubError for a name that would leave the folder."""
    path = (folder / name).resolve()
    if PurePosixPath(name).is_absolute() or "\\" in name or not path.is_relative_to(folder.resolve()):
        raise HubError(f"the file name {name!r} leads out of {folder}; ORBIT does not write it")
    return path


def fetch(repository: str, file: RemoteFile, folder: Path) -> Path:
    """Download a file into a folder, resume an earlier attempt, and verify the content. Raises HubError."""
    path = target(folder, file.name)
    hub = _hub()
    try:
        hub.hf_hub_download(repository, file.name, local_dir=folder)
    except Exception as error:
        raise _explained(error, repository) from error
    if file.sha256 is not None and sha256(path) != file.sha256:
        path.unlink()
        raise HubError(f"{file.name} arrived damaged (its checksum differs from the hub's) and was deleted; try again")
    return path


def sha256(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """Return the checksum of a file, in hexadecimal; ``progress`` receives the bytes of each block."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if progress is not None:
                progress(len(block))
    return digest.hexdigest()


def _hub() -> ModuleType:
    try:
        import huggingface_hub  # noqa: PLC0415 - only this command needs it
    except ImportError as error:
        raise HubError('huggingface-hub is not installed; pip install "orbit-llamacpp[hub]"') from error
    return huggingface_hub


def _explained(error: Exception, repository: str) -> HubError:
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return HubError(
            f"{repository} is gated: accept its terms on https://huggingface.co/{repository}, then set HF_TOKEN to a "
            "token of your account"
        )
    if kind in ("RepositoryNotFoundError", "HFValidationError"):
        return HubError(f"the repository {repository} does not exist or is private; for a private one set HF_TOKEN")
    if kind in ("EntryNotFoundError", "RemoteEntryNotFoundError"):
        return HubError(f"{repository} has no such file; --list-files shows what it has")
    return HubError(
        f"the request to the hub for {repository} failed: {str(error).splitlines()[0] if str(error) else kind}"
    )
