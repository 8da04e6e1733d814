"""What other origins may do, as Litestar is configured for it."""

import pytest

from orbit.config.model import Cors
from orbit.web.http.cors import cors_config


def test_without_origins_there_is_nothing_to_configure() -> None:
    assert cors_config(Cors()) is None


@pytest.mark.parametrize("origin", ["https://Example.org", "https://example.org/", "https://EXAMPLE.org//"])
def test_origins_are_compared_as_browsers_write_them(origin: str) -> None:
    config = cors_config(Cors(allow_origins=(origin,)))
    assert config is not None
    assert config.is_origin_allowed("https://example.org")
    assert not config.is_origin_allowed("https://example.org.evil.org")
    assert not config.is_origin_allowed("http://example.org")


def test_clients_of_other_protocols_may_send_their_headers() -> None:
    config = cors_config(Cors(allow_origins=("https://example.org",), allow_headers=("X-API-Key",), max_age=7))
    assert config is not None
    allowed = {name.lower() for name in config.allow_headers}
    assert {"x-api-key", "x-stainless-retry-count", "openai-organization", "idempotency-key"} <= allowed
    assert {"anthropic-version", "anthropic-beta", "anthropic-dangerous-direct-browser-access"} <= allowed
    assert {"Retry-After", "X-Request-ID", "request-id", "RateLimit-Remaining"} <= set(config.expose_headers)
    assert config.max_age == 7
