"""Opens the file system that an address names."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

_OBJECT_STORES = frozenset({"s3", "gs", "az"})
_SHELLS = frozenset({"sftp", "ssh"})
_PACKAGES = {
    **dict.fromkeys(_OBJECT_STORES, ("obstore", "orbit-fsspec[s3]")),
    **dict.fromkeys(("http", "https"), ("aiohttp", "orbit-fsspec[http]")),
    **dict.fromkeys(("webdav+http", "webdav+https"), ("webdav4", "orbit-fsspec[webdav]")),
    **dict.fromkeys(_SHELLS, ("paramiko", "paramiko")),
}
"""Protocol -> the module that speaks it, and what to install for it."""


class Place(msgspec.Struct, frozen=True):
    """A file system and a folder in it."""

    files: Any
    """An ``fsspec.AbstractFileSystem``."""
    root: str
    """The folder, as the file system names it."""
    local: bool = False


def protocol_of(url: str) -> str:
    """Return the protocol of an address; ``file`` for a path."""
    scheme, there, _ = url.partition("://")
    return scheme.lower() if there else "file"


def problem_of(url: str) -> str:
    """Return why an address cannot be opened, without opening it; empty if it can."""
    from fsspec.registry import known_implementations  # type: ignore[import-untyped]  # noqa: PLC0415  # importing a plugin stays light

    if not url:
        return "url is missing: a path, or an address such as s3://bucket/folder"
    protocol = protocol_of(url)
    if protocol != "file" and urlsplit(url).password is not None:
        return "url contains a password; set it in credentials"
    if protocol == "webdav":  # fsspec knows it, but takes the server's address apart from the folder
        return (
            "url does not say how to reach the server; write webdav+https:// (or webdav+http://) instead of webdav://"
        )
    if protocol in _PACKAGES:
        module, package = _PACKAGES[protocol]
        if importlib.util.find_spec(module) is None:
            return f'{protocol}:// needs a package that is not installed; run pip install "{package}"'
    elif protocol not in known_implementations:
        known = "a path, s3, gs, az, http, https, webdav+https, sftp, and those of fsspec"
        return f"the protocol {protocol}:// is unknown; known: {known}"
    return ""


def opened(url: str, options: Mapping[str, Any]) -> Place:
    """Open the file system of an address. Blocks; raises whatever the library raises."""
    protocol = protocol_of(url)
    if protocol == "file":
        from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

        folder = Path(url.removeprefix("file://")).expanduser().resolve()
        return Place(LocalFileSystem(), folder.as_posix(), local=True)
    if protocol in _OBJECT_STORES:
        from obstore.fsspec import FsspecStore  # noqa: PLC0415  # an extra

        rest = dict(options)
        retries = {"max_retries": int(rest.pop("max_retries", 3)), "retry_timeout": timedelta(seconds=60)}
        client = {"timeout": timedelta(seconds=60), **_plain_http(options)}
        kind: Any = FsspecStore  # typed for each protocol apart
        store = kind(protocol, client_options=client, retry_config=retries, skip_instance_cache=True, **rest)
        return Place(store, url.partition("://")[2].rstrip("/"))
    if protocol.startswith("webdav+"):
        from webdav4.fsspec import WebdavFileSystem  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

        rest = dict(options)
        user, password = rest.pop("user", ""), rest.pop("password", "")
        auth = (user, password) if user or password else None
        address = url.removeprefix("webdav+")
        return Place(WebdavFileSystem(address, auth=auth, skip_instance_cache=True, **rest), "")
    import fsspec.core  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

    caching = {} if protocol in _SHELLS else {"use_listings_cache": False}  # paramiko refuses what it does not know
    files, root = fsspec.core.url_to_fs(url, skip_instance_cache=True, **caching, **options)
    return Place(files, root)


def close(place: Place) -> None:
    """Close the connections of a file system; fsspec itself leaves that to garbage collection."""
    session = getattr(place.files, "_session", None)
    if session is not None and hasattr(place.files, "close_session"):
        place.files.close_session(place.files.loop, session)
    client = getattr(place.files, "client", None)  # of WebDAV and SFTP
    if client is not None:
        getattr(client, "http", client).close()


def _plain_http(options: Mapping[str, Any]) -> dict[str, bool]:
    """Return the client option that an endpoint without TLS needs."""
    return {"allow_http": True} if str(options.get("endpoint", "")).startswith("http://") else {}
