"""MCP servers from packages: files (Node.js), a database and web pages (an older SDK for Python), times (ORBIT's)."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
_NODE: Final = shutil.which("node")
_FILES: Final = (
    _ROOT / ".venv" / "node" / "node_modules" / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js"
)
_PROGRAMS: Final = _ROOT / ".venv" / "clients" / ("Scripts" if os.name == "nt" else "bin")
_PAGE: Final = "<html><head><title>Hours</title></head><body><main><p>The pool opens at ten.</p></main></body></html>"


def is_installed() -> bool:
    """Return whether all of them are."""
    beside = shutil.which("mcp-server-sqlite", path=str(_PROGRAMS))
    return bool(_NODE and _FILES.exists() and beside and importlib.util.find_spec("mcp_server_time"))


class Town:
    """What the servers have to tell: a folder with a file, a database with a table, and a page."""

    def __init__(self, folder: Path, page: str) -> None:
        self.file = folder / "files" / "hours.txt"
        self.page = page
        self.file.parent.mkdir()
        self.file.write_text("The library opens at nine.")
        self._database = folder / "town.sqlite"
        with closing(sqlite3.connect(self._database)) as database, database:
            database.execute("CREATE TABLE museums (name TEXT, opens TEXT)")
            database.execute("INSERT INTO museums VALUES ('Museum of bees', 'eleven')")

    def servers(self) -> dict[str, Any]:
        """Return the section ``servers``."""
        return {
            "files": {
                "command": _NODE,
                "args": [str(_FILES), str(self.file.parent)],
                "tools": ["read_text_file", "list_allowed_directories", "write_file"],
            },
            "db": {
                "command": str(_PROGRAMS / "mcp-server-sqlite"),
                "args": ["--db-path", str(self._database)],
                "tools": ["list_tables", "read_query"],
            },
            "web": {
                "command": str(_PROGRAMS / "mcp-server-fetch"),
                "args": ["--allow-private-ips", "--proxy-url", self.page.removesuffix("/hours")],
            },
            "time": {"command": sys.executable, "args": ["-m", "mcp_server_time"], "tools": ["convert_time"]},
        }


@contextmanager
def town(folder: Path) -> Iterator[Town]:
    """Serve the page, as a proxy that reaches nothing else, and make the rest in a folder."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.endswith("/hours")  # there is no robots.txt; as a proxy, it is asked for whole addresses
            body = (_PAGE if found else "").encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Town(folder, f"http://127.0.0.1:{server.server_address[1]}/hours")
        finally:
            server.shutdown()
            thread.join()
