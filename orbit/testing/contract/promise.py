"""Builds the failure sentence of a rule: the promise, what the provider did instead, and how to fix it."""

from __future__ import annotations

import inspect
import traceback
from typing import Any, NoReturn

import msgspec
import pytest


class Promise:
    """The promise that a rule checks: the first line of the rule's docstring."""

    def __init__(self, who: str, text: str) -> None:
        """Take the name of the provider class under test, and the promise."""
        self.who = who
        self.text = text

    @classmethod
    def of(cls, who: str, rule: Any) -> Promise:
        """Return the promise of a test function."""
        return cls(who, (inspect.getdoc(rule) or rule.__name__).splitlines()[0].rstrip("."))

    def broken(self, came: str, mend: str) -> NoReturn:
        """Fail the rule. ``came`` says what the provider did, ``mend`` how to fix it."""
        sentence = f"{self.who} breaks a promise: {self.text}, but {came}; {mend}."
        raise pytest.fail.Exception(sentence, pytrace=False) from None

    def untold(self, why: str) -> NoReturn:
        """Skip the rule: the promise does not apply, or a fixture that the check needs is not set."""
        pytest.skip(f"{self.text}: not checked, {why}")


def told(error: BaseException) -> str:
    """Return an exception in a few words, with the line that raised it. Prints the traceback for pytest to capture."""
    traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}, line {frames[-1].lineno})" if frames else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {text[:200]}' if text else ''}{place}"


def mistyped(value: msgspec.Struct) -> str:
    """Return which field of a struct has another type than it declares, and why; "" if none has."""
    for field in msgspec.structs.fields(value):
        try:
            msgspec.convert(getattr(value, field.name), field.type, builtin_types=(bytes,))
        except msgspec.ValidationError as error:
            return f"{field.name} is {kind(getattr(value, field.name))} ({str(error).partition(' - at')[0]})"
    return ""


def kind(value: object) -> str:
    """Return the type of a value with its article, for sentences."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
