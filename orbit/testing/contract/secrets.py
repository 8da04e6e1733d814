"""Plants secrets in a provider's settings, and collects every text that the provider shows to people."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec

from orbit import OrbitError, Provider
from orbit.testing.contract import calls
from orbit.testing.contract.samples import ARGUMENTS
from orbit.testing.contract.subject import Subject

MARK: Final = "Zq7kitten"
"""Part of every secret. It does not look like a credential, so that no filter masks it by its format."""

_SECRET_NAME: Final = re.compile(r"(?:^|_)(?:key|password|passwd|token|secret|credentials?)s?$")
_URL: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^/?#@]*@)?(?=[^/?#])")


def planted(kind: type[Provider], settings: Mapping[str, Any], named: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the settings with secrets: valid ones, ones that break HTTP headers, and secrets in URLs and headers."""
    fields = {field.name: field for field in msgspec.structs.fields(kind.Settings)}
    names = [name for name, field in fields.items() if name in named or _looks_secret(name, field.type)]
    if names:
        yield {**settings, **dict.fromkeys(names, f"{MARK}-secret")}
        yield {**settings, **dict.fromkeys(names, f"{MARK} \n sec\u00adret")}
    defaults = {name: field.default for name, field in fields.items() if isinstance(field.default, str)}
    urls = {
        name: value for name, value in {**defaults, **settings}.items() if isinstance(value, str) and _URL.match(value)
    }
    if urls:
        shown = {name: _URL.sub(rf"\g<scheme>user:{MARK}@", value, count=1) for name, value in urls.items()}
        yield {**settings, **shown}
        yield {**settings, **{name: f"{value.partition('?')[0]}?code={MARK}" for name, value in urls.items()}}
    headers = [name for name, field in fields.items() if name.endswith("headers") and "dict" in str(field.type)]
    if headers:
        yield {**settings, **{name: {"X-Password": f"{MARK}-secret"} for name in headers}}
        yield {**settings, **{name: {"X-Password": f"{MARK}\n"} for name in headers}}


async def said(subject: Subject) -> Iterator[tuple[str, str]]:
    """Return the texts that a provider shows, with their places: ``validate``, start, ``health`` and errors."""
    texts = [("a sentence of validate", str(problem)) for problem in subject.host.problems]
    if texts:
        return iter(texts)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(subject.host)
        except OrbitError as error:
            return iter(_of_error("the error at the start", error))
        if subject.name not in subject.host.registry:
            return iter([("the error at the start", subject.host.registry.failed.get(subject.name, ""))])
        provider = subject.provider
        texts.append(("the detail of health", (await provider.health()).detail))
        texts.append(("exclusive", provider.exclusive()))
        texts += [("the name of the model", provider.model(hook)) for hook in ("generate", "embed")]
        for hook, arguments in ARGUMENTS.items():
            if not subject.implements(hook):
                continue
            try:
                async with asyncio.timeout(calls.ANSWER_SECONDS):
                    await _whole(subject.call(hook, **arguments))
            except Exception as error:  # noqa: BLE001  # any error may show a secret
                texts += _of_error(f"an error of {hook}", error)
    return iter(texts)


async def _whole(call: Any) -> None:
    """Await a call, or read its stream to the end."""
    if inspect.isawaitable(call):
        await call
        return
    async for _ in call:
        pass


def _of_error(place: str, error: Exception) -> list[tuple[str, str]]:
    return [(place, str(error)), (place, str(getattr(error, "client", "")))]


def _looks_secret(name: str, annotation: Any) -> bool:
    return bool(_SECRET_NAME.search(name)) and "str" in str(annotation)
