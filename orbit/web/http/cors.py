"""Cross-origin requests (CORS): off unless the configuration names origins."""

from __future__ import annotations

from typing import Any

from litestar.config.cors import CORSConfig

from orbit.config.model import Cors

VARY = (b"vary", b"Origin")
"""Goes with every response if the allowed origins are a list: shared caches must keep the responses apart."""

_EXPOSED = (
    *("X-Request-ID", "Retry-After", "request-id"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "RateLimit-Policy"),
)
_OF_CLIENTS = (
    *("anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access", "x-stainless-helper"),
    *("OpenAI-Organization", "OpenAI-Project", "Idempotency-Key"),
    *("x-stainless-arch", "x-stainless-lang", "x-stainless-os", "x-stainless-package-version"),
    *("x-stainless-runtime", "x-stainless-runtime-version", "x-stainless-retry-count", "x-stainless-timeout"),
    *("x-stainless-helper-method", "x-stainless-stream-helper", "x-stainless-poll-helper"),
    *("x-stainless-custom-poll-interval", "x-stainless-async", "x-stainless-raw-response", "x-stainless-read-timeout"),
)
"""Request headers that OpenAI's and Anthropic's own clients send; a browser asks for leave to send each."""


def cors_config(settings: Cors) -> CORSConfig | None:
    """Return what Litestar needs to answer other origins; None if there are none."""
    if not settings.allow_origins:
        return None
    methods: list[Any] = list(settings.allow_methods)
    return CORSConfig(
        allow_origins=[origin.rstrip("/").lower() for origin in settings.allow_origins],
        allow_methods=methods,
        allow_headers=[*settings.allow_headers, *_OF_CLIENTS],
        expose_headers=list(_EXPOSED),
        max_age=settings.max_age,
    )
