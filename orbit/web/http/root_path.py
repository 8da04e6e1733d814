"""A path of its own behind a reverse proxy: ``general.root_path``."""

from __future__ import annotations

from litestar.types import ASGIApp, Receive, Scope, Send


class RootPath:
    """ASGI middleware that takes the path of the proxy off each request.

    A proxy may take it off itself: a path that does not begin with it is served as it is.
    """

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path, root = scope["path"], self._root
        if path == root or path.startswith(f"{root}/"):
            scope["path"] = path[len(root) :] or "/"
            raw, encoded = scope["raw_path"], root.encode()
            if raw.startswith(encoded):
                scope["raw_path"] = raw[len(encoded) :] or b"/"
        await self._app(scope, receive, send)
