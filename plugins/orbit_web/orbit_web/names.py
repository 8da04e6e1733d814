"""Addresses in one form, and the names of files that they become."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit

_TRACKING = re.compile(r"utm_\w+|gclid|fbclid|msclkid|mc_[ce]id|phpsessid|jsessionid|sid", re.IGNORECASE)
_SESSION = re.compile(r";jsessionid=[^/?#]*", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}
_LONGEST = 1_000
"""Characters of an address. Longer ones are mostly traps."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
PAGE = ".html"
TYPES = {
    "text/html": PAGE,
    "application/xhtml+xml": PAGE,
    "application/pdf": ".pdf",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "application/json": ".json",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/epub+zip": ".epub",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
}
"""Types of content to fetch, with the extensions that select their readers. Pictures, feeds and programs are not."""


def normal(url: str, base: str = "") -> str:
    """Return an address in one form, without a fragment and what only tracks visitors; empty if it is none to fetch."""
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or len(url) > _LONGEST or _CONTROL.search(url.strip()):
        return ""
    host = parts.hostname.lower().rstrip(".")
    if ":" in host:
        host = f"[{host}]"
    netloc = host if port in (None, _PORTS[parts.scheme]) else f"{host}:{port}"
    path = _SESSION.sub("", parts.path) or "/"
    query = parts.query
    if query and _TRACKING.search(query):
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([pair for pair in pairs if not _TRACKING.fullmatch(pair[0])])
    return urlunsplit((parts.scheme, netloc, path, query, ""))


def host_of(url: str) -> str:
    """Return the host of a normal address, with its port if that is unusual."""
    return urlsplit(url).netloc


def stem_of(url: str) -> str:
    """Return the name of an address, without an extension that its path does not have."""
    parts = urlsplit(url)
    path = f"{parts.path}index" if parts.path.endswith("/") else parts.path
    names = [unquote(part).replace("/", "%2F") for part in path.split("/") if part]
    names = [name if name not in {".", ".."} else name.replace(".", "%2E") for name in names]
    name = "/".join([parts.netloc, *names])
    return _CONTROL.sub("", f"{name}?{unquote(parts.query).replace('/', '%2F')}" if parts.query else name)


def name_of(url: str, extension: str) -> str:
    """Return the name of a file: its host and path, with the extension that selects the reader."""
    stem = stem_of(url)
    own = PurePosixPath(stem).suffix.lower()
    return stem if own == extension or (extension == PAGE and own in {".htm", ".xhtml"}) else f"{stem}{extension}"
