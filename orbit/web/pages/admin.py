"""The operator's page at ``/admin``, a client of the administration API."""

from __future__ import annotations

from typing import Any

from orbit.config import HostConfig
from orbit.web.pages.assets import Assets, content_route
from orbit.web.pages.headers import page_headers


def admin_page_routes(config: HostConfig, assets: Assets) -> list[Any]:
    """Return the route of the page. The page holds nothing secret: its data comes from authenticated routes."""
    page = assets.page("admin.html", page_headers(), title=config.pages.title)
    return [content_route("/admin", page)]
