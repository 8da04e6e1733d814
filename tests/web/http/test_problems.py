"""Which status an error has, and whether a client should come back."""

import pytest
from litestar.exceptions import (
    ClientException,
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from orbit.chat.turn import TurnTimeout
from orbit.errors import DatabaseUnavailable, Overloaded, PromptTooLong, ProviderError
from orbit.host.calls.calls import too_slow
from orbit.web.http.problems import RequestError, ServerStopping, headers_of, of_litestar, status_of


def failure(kind: str, operation: str = "generate", **options: object) -> ProviderError:
    return ProviderError("x", kind=kind, provider="p", operation=operation, **options)  # type: ignore[arg-type]  # of the table


@pytest.mark.parametrize(
    ("error", "status", "retry_after", "should_not_retry"),
    [
        (failure("failed"), 502, False, True),
        (failure("failed", retryable=True), 502, True, False),
        (failure("failed", retryable=True, retried=True), 502, True, True),
        (failure("not_found"), 503, False, True),
        (failure("unavailable"), 503, True, False),
        (failure("unavailable", retryable=True, retried=True), 503, True, True),
        (failure("overloaded"), 503, True, False),
        (failure("timeout"), 504, True, False),
        (too_slow("p", "generate", 1.0), 504, True, True),
        (failure("rejected"), 400, False, False),
        (failure("failed", "moderate"), 503, False, True),
        (failure("rejected", "retrieve"), 503, False, True),
        (failure("rejected", "retrieve", client="Mend it."), 400, False, False),
        (failure("unavailable", "retrieve"), 503, True, False),
        (TurnTimeout(), 504, True, True),
        (PromptTooLong("x"), 413, False, False),
        (Overloaded("x"), 503, True, False),
        (DatabaseUnavailable("x"), 503, True, False),
        (ServerStopping(), 503, True, False),
        (RequestError(400, "x", "x"), 400, False, False),
        (RuntimeError("x"), 500, False, True),
    ],
)
def test_who_should_come_back(error: Exception, status: int, *, retry_after: bool, should_not_retry: bool) -> None:
    assert status_of(error) == status
    headers = dict(headers_of(error, status))
    assert (b"retry-after" in headers) is retry_after
    assert (headers.get(b"x-should-retry") == b"false") is should_not_retry


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (NotFoundException(), 404, "not_found", "There is no such path."),
        (NotFoundException("No such book."), 404, "not_found", "No such book."),
        (ClientException("Mend it."), 400, "bad_request", "Mend it."),
        (
            MethodNotAllowedException(headers={"allow": "GET, HEAD"}),
            405,
            "method_not_allowed",
            "This path takes GET, HEAD only.",
        ),
        (MethodNotAllowedException(), 405, "method_not_allowed", "This path takes other methods only."),
        (
            RequestEntityTooLarge(),
            413,
            "request_entity_too_large",
            "The body is larger than this path takes.",
        ),
        (InternalServerException("secret"), 500, "internal_server_error", "The server could not do this."),
    ],
)
def test_errors_of_routes_say_what_to_mend(error: HTTPException, status: int, code: str, detail: str) -> None:
    problem = of_litestar(error, "id")
    assert (problem.status, problem.code, str(problem)) == (status, code, detail)
    assert dict(problem.headers or {}) == (error.headers or {})


def test_a_server_that_stops_says_so() -> None:
    assert str(ServerStopping()) == "The server is stopping. Try again in a moment."
