"""Errors that ORBIT and its plugins raise. Each says what was asked, what exists and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from orbit.sanitize import without_secrets

FailureKind: TypeAlias = Literal["failed", "unavailable", "overloaded", "timeout", "not_found", "rejected"]


class OrbitError(Exception):
    """Base class of ORBIT's errors. ``code`` is a stable word that programs can test for.

    The text is for operators. ``client`` is a sentence for the client about what the client can fix; if it is empty,
    the client receives a general sentence.
    """

    code: str = "internal_error"
    client: str = ""
    logged: bool = False
    """Whether the server log already contains the error."""


class Problem(msgspec.Struct, frozen=True):
    """One mistake in a configuration: the path of the setting (``general.port``) and how to fix it."""

    path: str
    """The setting, such as ``general.port``; empty if the problem concerns the whole file."""
    message: str
    """What is wrong and how to fix it."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ConfigError(OrbitError):
    """The configuration cannot be used. ``problems`` lists every mistake, not only the first."""

    code = "config_error"

    def __init__(self, problems: Sequence[Problem] | str) -> None:
        self.problems = (Problem("", problems),) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginLoadError(OrbitError):
    """A plugin cannot be imported, breaks the plugin contract, or failed to start."""

    code = "plugin_load_error"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        super().__init__(f"{name}: {reason}")


_LISTS = ("models", "tools")
"""Hooks whose names are what they list."""


class ProviderError(OrbitError):
    """A provider failed to do its work.

    ``message`` is a sentence for operators. It goes to the server log, the chat log and the admin pages, with secrets
    masked. Clients never see it: they receive ``client``, or a general sentence for the kind of failure if it is empty.
    Set ``client`` to say what the client can fix, without addresses, settings or the upstream's own words.

    ``retryable`` says that the same call may succeed a moment later. ``retried`` says that the provider has already
    retried, or knows that retrying is pointless, so clients should not retry at once. The host adds the instance's name
    and the hook.

    ``rejected`` becomes HTTP 400: the request is wrong and its sender can fix it (a schema, the order of roles).
    ``option`` then names what is wrong, if one thing is: a field of ``GenerateOptions``, ``messages`` or ``tokens``.
    ``failed`` becomes 502, ``unavailable``, ``overloaded`` and ``not_found`` 503, ``timeout`` 504.
    """

    def __init__(
        self,
        message: str,
        *,
        client: str = "",
        retryable: bool = False,
        retried: bool = False,
        kind: FailureKind = "failed",
        provider: str = "",
        operation: str = "",
        option: str = "",
    ) -> None:
        self.option = option
        self.message = without_secrets(message)
        self.client = client
        self.retryable = retryable
        self.retried = retried
        self.kind: FailureKind = kind
        self.provider = provider
        self.operation = operation
        self.code = f"provider_{kind}"
        super().__init__(self.message)

    @property
    def passes(self) -> bool:
        """Whether the failure may pass without an operator's help."""
        return self.retryable or self.kind in ("unavailable", "overloaded", "timeout")

    def __str__(self) -> str:
        did = f"list its {self.operation}" if self.operation in _LISTS else self.operation.replace("_", " ")
        return f"{self.provider} could not {did}: {self.message}" if self.provider else self.message


class PromptTooLong(OrbitError):
    """The question alone, without any document, exceeds the model's context window.

    The host raises it when it fits the prompt. A provider that notices first may raise it from ``generate``. ``client``
    is a sentence for the client, as in ``ProviderError``.
    """

    code = "prompt_too_long"

    def __init__(self, message: str = "", *, client: str = "") -> None:
        self.client = client
        super().__init__(without_secrets(message))


class UnreadableError(OrbitError):
    """A file has no readable text. The message continues a sentence that begins with the file's name.

    ``read`` raises it: ``raise UnreadableError("is encrypted; save it without a password")``. ``passing`` says that the
    reason lies in the machine, such as a failing disk, so that nothing is known of the file.
    """

    code = "unreadable"

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(reason)


class Overloaded(OrbitError):
    """Too many requests are running and waiting. ``retry_after`` is in seconds."""

    code = "overloaded"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class Unauthorized(OrbitError):
    """The request carries no valid API key."""

    code = "unauthorized"


class DatabaseUnavailable(OrbitError):
    """The database of keys and prompts is unreachable. This says nothing about whether a key is valid."""

    code = "store_unavailable"
