"""Conversation to prompt tokens.

Text that people wrote must not be read as control tokens (a question with ``<|im_end|>`` in it would end its own
turn), so control texts inside messages are cut in two before the template sees them, and tokenised as the two
ordinary texts they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import llama_cpp.llama_chat_format as formats
import msgspec

from orbit.types import Message
from orbit_llamacpp.chat_formats import CHAT_FORMATS
from orbit_llamacpp.engine.model import Model

_REMEMBERED: Final = 32
"""Prompts whose tokens are kept: the host has a prompt counted, perhaps several, before it has it answered."""

_CUT: Final = "\ue000"  # of the private use area: no template and no sensible text has it


class Prompt(msgspec.Struct, frozen=True):
    """A prompt in tokens, and the texts that end an answer in its format."""

    tokens: list[int]
    stops: tuple[str, ...] = ()


class TemplateError(Exception):
    """The conversation does not fit the model's template (some refuse a system message, or two turns of one role)."""


class ChatTemplate:
    """Renders conversations for one model."""

    def __init__(self, model: Model, chat_format: str | None) -> None:
        """Without ``chat_format``, the template inside the model; if it has none, chatml."""
        self._model = model
        template = model.template()
        self._format: Callable[..., formats.ChatFormatterResponse]
        self._is_own = chat_format is None and template is not None
        if chat_format is None and template is not None:
            self._format = formats.Jinja2ChatFormatter(
                template=template, eos_token=model.text(model.eos), bos_token=model.text(model.bos)
            )
        else:
            self._format = getattr(formats, CHAT_FORMATS[chat_format or "chatml"])
        controls = sorted((text for text in model.control_texts() if len(text) > 1), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, controls))) if controls else None
        self._remembered = lru_cache(_REMEMBERED)(self._tokenised)

    def prompt(self, messages: Sequence[Message]) -> Prompt:
        """The tokens of a conversation, ready for the answer. Raises TemplateError."""
        return self._remembered(tuple(messages))

    def _tokenised(self, messages: tuple[Message, ...]) -> Prompt:
        plain: list[Any] = [{"role": m.role, "content": self._defuse(m.content)} for m in messages]
        try:
            rendered = self._format(messages=plain)
        except Exception as error:  # a template is a program that came with the model
            raise TemplateError(f"the chat template refused the conversation: {error}") from error
        text = rendered.prompt
        bos = self._model.text(self._model.bos)
        add_special = not (bos and text.startswith(bos))  # a template that writes the beginning itself means it once
        tokens: list[int] = []
        for part in text.split(_CUT):
            tokens += self._model.tokenize(part, add_special=add_special, parse_special=True)
            add_special = False
        return Prompt(tokens, self._stops(rendered))

    def _stops(self, rendered: formats.ChatFormatterResponse) -> tuple[str, ...]:
        if self._is_own:
            return ()  # its only stop text is the end token, which ends the answer by itself
        stop = rendered.stop
        return (stop,) if isinstance(stop, str) else tuple(stop or ())

    def _defuse(self, text: str) -> str:
        text = text.replace(_CUT, "")
        if self._control is None:
            return text
        return self._control.sub(lambda match: match[0][0] + _CUT + match[0][1:], text)
