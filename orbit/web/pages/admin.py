"""The operator's page at ``/admin/``: what it shows and does goes through the routes of the administration API."""

from __future__ import annotations

from typing import Any

from orbit.config import HostConfig
from orbit.web.pages.assets import Assets, content_route
from orbit.web.pages.headers import page_headers


def admin_page_routes(config: HostConfig, assets: Assets) -> list[Any]:
    """The route of the page. It holds nothing that is secret; what is comes from routes that ask who wants it."""
    page = assets.page("admin.html", page_headers(), title=config.pages.title)
    return [content_route("/admin", page)]
