"""An MCP server over HTTP with the odd cases, in a thread: what goes wrong is the path, or the tool that is called."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from loopback import served

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TOOLS = ["echo", "refuse", "late", "deny", "break", "forget", "page", "garbage", "close", "cut"]
TOOLS += ["trickle", "flood", "event", "wait", "hang"]
"""Tools whose calls are answered with errors of the server, with refusals of HTTP, with what is no message, by half,
with events that say nothing, or with far too much; or as soon as `echo` is called; or never."""
STATUSES = {"deny": (401, b"token expired"), "break": (500, b"out of cheese"), "forget": (404, b"no such session")}
ERRORS = {"refuse": (-32000, "the disk is gone"), "late": (-32001, "the disk is slow")}
"""Errors with the codes that the client's SDK has for its own."""
MEGABYTE = b"x" * 1_000_000


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stop: threading.Event
    echoed: threading.Event
    left: threading.Semaphore
    """Counts the requests whose client has left."""

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        self._answer(405, b"")

    def do_DELETE(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self._act(message)
        except OSError:  # the client has left
            self.left.release()

    def _act(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params") or {}
        fault = params["name"] if method == "tools/call" else self.path.removesuffix("/mcp").strip("/")
        if fault in STATUSES:
            self._answer(*STATUSES[fault], "text/plain")
        elif fault == "page":
            self._answer(200, b"<html>Welcome</html>", "text/html")
        elif fault == "garbage":
            self._answer(200, b'{"cheese": []}')
        elif fault == "cut":
            self._answer(200, b": wait\n\n", "text/event-stream")
        elif fault == "close":
            self._begin("application/json", length=1000)
            self.wfile.write(b'{"jsonrpc": ')
            self.close_connection = True
        elif fault == "hang":
            if not self.connection.recv(1):
                raise ConnectionResetError
        elif fault in ("trickle", "flood", "event"):
            self._stream(fault)
        elif "id" not in message:
            self._answer(202, b"")
        else:
            self._result(message["id"], method, params, fault)

    def _result(self, identity: Any, method: str, params: dict[str, Any], fault: str) -> None:
        if method == "initialize":
            version = "1999-01-01" if fault == "old" else "2025-06-18"
            info = {"name": "odd", "version": "1"}
            result: dict[str, Any] = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        elif method == "tools/list":
            result = {"tools": [{"name": name, "inputSchema": TEXT} for name in TOOLS]}
        elif fault in ERRORS:
            self._error(identity, *ERRORS[fault])
            return
        elif method == "tools/call":
            self.echoed.wait(60) if fault == "wait" else self.echoed.set()
            result = {"content": [{"type": "text", "text": f"echo: {params['arguments']['text']}"}]}
        else:
            self._error(identity, -32601, f"no method {method}")
            return
        self._answer(200, json.dumps({"jsonrpc": "2.0", "id": identity, "result": result}).encode())

    def _error(self, identity: Any, code: int, message: str) -> None:
        error = {"code": code, "message": message}
        self._answer(200, json.dumps({"jsonrpc": "2.0", "id": identity, "error": error}).encode())

    def _stream(self, fault: str) -> None:
        """Send what has no end, until the client leaves."""
        self._begin("application/json" if fault == "flood" else "text/event-stream")
        if fault == "event":
            self.wfile.write(b"data: ")
        while not self.stop.wait(0.02 if fault == "trickle" else 0):
            self.wfile.write(b": wait\n\n" if fault == "trickle" else MEGABYTE)

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self._begin(kind, status, len(body))
        self.wfile.write(body)

    def _begin(self, kind: str, status: int = 200, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is None:
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()


@contextmanager
def serving(left: threading.Semaphore | None = None) -> Iterator[str]:
    """Run the server; yields its address, to which a path `/FAULT/mcp` belongs."""
    stop = threading.Event()
    left = left or threading.Semaphore(0)
    with served(type("Handler", (_Handler,), {"stop": stop, "echoed": threading.Event(), "left": left})) as url:
        try:
            yield url
        finally:
            stop.set()
