"""The chat page at ``/``, and the script that embeds it in other sites."""

from __future__ import annotations

from typing import Any

import msgspec

from orbit.config import HostConfig
from orbit.web.pages.assets import Assets, content_route
from orbit.web.pages.headers import file_headers, page_headers


def chat_page_routes(config: HostConfig, assets: Assets) -> list[Any]:
    """Return the routes of the chat page, and of the script if any site may use it."""
    settings = config.pages
    page = assets.page(
        "chat.html",
        page_headers(settings.embed_origins),
        title=settings.title,
        greeting=settings.greeting,
        questions=msgspec.json.encode(settings.questions).decode(),
        stream=config.general.stream_text,
    )
    routes = [content_route("/", page)]
    if settings.embed_origins:
        routes.append(content_route("/embed.js", assets.file("embed.js", file_headers(cross_origin=True))))
    return routes
