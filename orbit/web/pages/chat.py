"""The chat page at ``/``, and the script with which other sites embed it."""

from __future__ import annotations

from typing import Any

import msgspec

from orbit.config import HostConfig
from orbit.web.pages.assets import Assets, content_route
from orbit.web.pages.headers import file_headers, page_headers


def chat_page_routes(config: HostConfig, assets: Assets) -> list[Any]:
    """The routes of the chat page; the one of the script only if there are sites that may use it."""
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
