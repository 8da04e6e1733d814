"""Runs the chat template in a model file: a Jinja program that formats a conversation as one text.

It needs nothing of llama.cpp, so ``orbit check`` can try templates, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError as JinjaError
from jinja2 import meta, nodes
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orbit_llamacpp.conversation import Rendered, TemplateError


class _GenerationTag(Extension):
    """Ignores ``{% generation %}``, which marks text for training and means nothing in a prompt."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class JinjaTemplate:
    """A parsed template. It runs in a sandbox, because it comes from whoever published the model."""

    def __init__(self, source: str, bos: str = "", eos: str = "") -> None:
        """Parse a template; ``bos`` and ``eos`` are the texts of the first and last token. Raises TemplateError."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, LoopControlExtension]
        )
        environment.filters["tojson"] = _to_json
        environment.globals |= {
            "bos_token": bos,
            "eos_token": eos,
            "raise_exception": _raise,
            "strftime_now": _now,
            "add_generation_prompt": True,
        }
        try:
            tree = environment.parse(source)
            self._template = environment.from_string(source)
        except JinjaError as error:
            raise TemplateError(f"it cannot be parsed: {error}") from error
        self.variables = frozenset(meta.find_undeclared_variables(tree))
        """The names that it reads without setting them."""
        self.texts = frozenset(node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str))
        """The texts that it compares with or writes, such as ``"none"``."""

    def __call__(self, messages: Sequence[dict[str, Any]], variables: Mapping[str, Any]) -> Rendered:
        """Format the conversation, ready for the answer. Raises TemplateError."""
        try:
            text = self._template.render({"tools": None, "documents": None, **variables, "messages": messages})
        except Exception as error:  # it may raise anything
            raise TemplateError(str(error) or type(error).__name__) from error
        return Rendered(text)


def _raise(message: str) -> NoReturn:
    raise ValueError(message)


def _now(layout: str) -> str:
    return datetime.now().strftime(layout)  # noqa: DTZ005 - the day where the operator is


def _to_json(value: Any, ensure_ascii: bool = False, **layout: Any) -> str:
    """Dump JSON without the HTML escapes of Jinja's own filter, which no model has learned."""
    return json.dumps(value, ensure_ascii=ensure_ascii, **layout)
