"""No key or key id reaches the access log."""

import logging

import pytest

from orbit.web.http.redaction import KeysRedacted, redact_access_log, redacted


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("/admin/api-keys/k-123", "/admin/api-keys/***"),
        ("/admin/api-keys/k-123/deactivate", "/admin/api-keys/***/deactivate"),
        ("/admin/api-keys/k-123?full=1", "/admin/api-keys/***?full=1"),
        ("/admin/api-keys/deactivate", "/admin/api-keys/deactivate"),
        ("/admin/api-keys/deactivated-key", "/admin/api-keys/***"),
        ("/admin/api-keys", "/admin/api-keys"),
        ("/chat?key=api_0123456789abc_-x", "/chat?key=api_***"),
        ("GET /api_v1/api_short", "GET /api_v1/api_short"),
        ("/chat", "/chat"),
    ],
)
def test_keys_are_masked(text: str, safe: str) -> None:
    assert redacted(text) == safe


def test_a_record_of_the_access_log_is_redacted_wherever_the_key_is() -> None:
    path = "/admin/api-keys/k-123"
    record = logging.LogRecord("uvicorn.access", logging.INFO, "", 0, f"{path} %s %d", (path, 200), None)
    assert KeysRedacted().filter(record)
    assert record.getMessage() == "/admin/api-keys/*** /admin/api-keys/*** 200"


def test_the_access_log_gets_one_filter() -> None:
    logger = logging.getLogger("uvicorn.access")
    before = list(logger.filters)
    try:
        redact_access_log()
        redact_access_log()
        assert sum(isinstance(each, KeysRedacted) for each in logger.filters) == 1
    finally:
        logger.filters[:] = before
