"""A stand-in for S3 on loopback: lists and gives the objects of one bucket, page by page, to signed requests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from loopback import served


class Bucket:
    """The objects of the bucket ``papers`` by key. ``denied`` are folders that may not be listed."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.denied: set[str] = set()
        self.read: list[str] = []
        self.page = 2
        self.endpoint = ""


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serve a bucket on a free port."""
    state = Bucket()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            key = unquote(parts.path).removeprefix("/papers").lstrip("/")
            signature = self.headers.get("Authorization", "")
            if not signature.startswith("AWS4-HMAC-SHA256 Credential=reader/"):
                self._answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
            elif not key:
                self._list(query)
            elif key in state.objects:
                if self.command == "GET":
                    state.read.append(key)
                self._answer(200, state.objects[key], etag(state.objects[key]))
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

        def _list(self, query: dict[str, str]) -> None:
            prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
            if prefix in state.denied:
                self._answer(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
                return
            names = sorted(
                {
                    prefix + rest.partition(delimiter)[0] + delimiter if delimiter and delimiter in rest else key
                    for key in state.objects
                    if key.startswith(prefix)
                    for rest in [key.removeprefix(prefix)]
                }
            )
            start = int(query.get("continuation-token", "0"))
            page, more = names[start : start + state.page], start + state.page < len(names)
            entries = "".join(
                f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
                if name not in state.objects
                else f"<Contents><Key>{escape(name)}</Key><LastModified>2024-05-01T10:00:00.000Z</LastModified>"
                f"<ETag>&quot;{etag(state.objects[name])}&quot;</ETag><Size>{len(state.objects[name])}</Size></Contents>"
                for name in page
            )
            token = f"<NextContinuationToken>{start + state.page}</NextContinuationToken>" if more else ""
            body = (
                f"<ListBucketResult><Name>papers</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
                f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
            )
            self._answer(200, body.encode())

        def _answer(self, status: int, body: bytes, tag: str = "") -> None:
            size, start = len(body), 0
            wanted = self.headers.get("Range", "")
            if status == 200 and tag and wanted.startswith("bytes="):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start = int(first)
                body, status = body[start : int(last) + 1 if last else None], 206
            self.send_response(status)
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{size}")
            if tag:
                self.send_header("ETag", f'"{tag}"')
                self.send_header("Last-Modified", "Wed, 01 May 2024 10:00:00 GMT")
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with served(Handler) as state.endpoint:
        yield state


def etag(content: bytes) -> str:
    """Return an object's ETag, as S3 computes it for objects in one part."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
