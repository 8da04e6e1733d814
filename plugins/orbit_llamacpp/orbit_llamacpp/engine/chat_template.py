"""Converts conversations to prompt tokens, protected against control tokens in messages.

People's text must not become control tokens: a question with ``<|im_end|>`` in it would end its own turn. So control
texts inside messages are split in two before the template sees them, and tokenized as two ordinary texts.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import llama_cpp.llama_chat_format as formats
import msgspec

from orbit import Message, ThinkingSplitter, ToolCall
from orbit_llamacpp.chat_formats import CHAT_FORMATS
from orbit_llamacpp.conversation import Render, Rendered, TemplateError, find_form
from orbit_llamacpp.engine.model import Model
from orbit_llamacpp.jinja_template import JinjaTemplate
from orbit_llamacpp.settings import LlamaCppSettings
from orbit_llamacpp.thinking import variables
from orbit_llamacpp.tool_format import PLAIN, as_text, find_tool_format

_REMEMBERED: Final = 32
"""Prompts in the token cache: the host counts a prompt, perhaps several, before it requests the answer."""

_END: Final = 64
"""Characters kept of a prompt's end: the opening tag of thoughts is shorter."""

_CUT: Final = "\ue000"  # private use area: no template and no sensible text contains it


class Prompt(msgspec.Struct, frozen=True):
    """A prompt in tokens, its last characters, and the texts that end an answer in its format."""

    tokens: list[int]
    end: str
    stops: tuple[str, ...] = ()


class ChatTemplate:
    """Renders conversations for one model."""

    def __init__(self, model: Model, settings: LlamaCppSettings) -> None:
        """Use the format in the settings, or the model's own template, or else chatml.

        Raises TemplateError if the template cannot render every conversation completely.
        """
        self._model = model
        self._variables: Mapping[str, Any] = {}
        self._no_thoughts: Mapping[str, Any] = {}
        self.notices: list[str] = []
        """Notices for the operator about the template."""
        source = model.template()
        self._render: Render
        if settings.chat_format is None and source:
            named = "the model's chat template"
            template = JinjaTemplate(source, model.text(model.bos), model.text(model.eos))
            self._variables = variables(settings.think, template.variables, template.texts)
            with contextlib.suppress(TemplateError):  # then the answer begins after empty thoughts
                self._no_thoughts = variables(False, template.variables, template.texts)  # noqa: FBT003 - as it is configured
            self._render = template
        else:
            name = settings.chat_format or "chatml"
            named = f"chat_format {name}"
            self._render = _named_format(name)
            if settings.chat_format is None:
                self.notices.append(
                    "the model has no chat template, so ORBIT uses chatml; set chat_format to choose another"
                )
        try:
            self._form = find_form(self._render, self._variables)
        except TemplateError as error:
            raise TemplateError(f"{named}: {error}") from error
        self.tool_format = PLAIN if source is None else find_tool_format(self._render, self._form, self._variables)
        model.show([text for text in model.control_texts() if text in self._marks()])
        if not self._form.system:
            self.notices.append(
                f"{named} has no place for a system message: ORBIT puts it at the start of the user's first message"
            )
        controls = sorted((text for text in model.control_texts() if len(text) > 1), key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, controls))) if controls else None
        self._remembered = lru_cache(_REMEMBERED)(self._tokenised)

    def prompt(self, messages: Sequence[Message], *, thoughts: bool = True, tools: str = "") -> Prompt:
        """Return the tokens of a conversation, ready for the answer. Raises TemplateError.

        Without ``thoughts``, the answer begins at once: a grammar applies from its first token. ``tools`` is JSON. If
        the last message is the assistant's, the answer goes on with it.
        """
        return self._remembered(tuple(messages), thoughts, tools)

    def _tokenised(self, messages: tuple[Message, ...], thoughts: bool, tools: str) -> Prompt:
        defused = [self._defused(message) for message in messages]
        begun = ""
        if len(defused) > 1 and defused[-1].role == "assistant" and not defused[-1].tool_calls:
            begun, thoughts = defused.pop().content, False
        given = json.loads(self._defuse(tools)) if tools else []
        chosen = dict(self._variables if thoughts else self._no_thoughts)
        if not self.tool_format.native:
            defused = as_text(defused, given)
        elif given:
            chosen["tools"] = given
        try:
            rendered = self._render(self._form.write(defused), chosen)
        except TemplateError as error:
            raise TemplateError(f"the chat template rejected the conversation: {error}") from error
        text = rendered.text
        if not thoughts:
            text += ThinkingSplitter.answer_prefix(text)
        text += begun
        bos = self._model.text(self._model.bos)
        add_special = not (
            bos and text.startswith(bos)
        )  # a template that writes the first token itself must not get a second one
        tokens: list[int] = []
        for part in text.split(_CUT):
            tokens += self._model.tokenize(part, add_special=add_special, parse_special=True)
            add_special = False
        return Prompt(tokens, text[-_END:], rendered.stops)

    def _marks(self) -> str:
        form = self.tool_format
        return f"{form.opening}\n{form.between}\n{form.joint}\n{form.closing}" if form.native else ""

    def _defused(self, message: Message) -> Message:
        calls = tuple([ToolCall(call.id, call.name, self._defuse(call.arguments)) for call in message.tool_calls])
        return Message(message.role, self._defuse(message.content), (), calls, message.tool_call_id)

    def _defuse(self, text: str) -> str:
        text = text.replace(_CUT, "")
        if self._control is None:
            return text
        return self._control.sub(lambda match: match[0][0] + _CUT + match[0][1:], text)


def _named_format(name: str) -> Render:
    """Return one of llama-cpp-python's formats."""
    format_messages = getattr(formats, CHAT_FORMATS[name])

    def render(messages: Sequence[dict[str, Any]], variables: Mapping[str, Any]) -> Rendered:
        del variables  # these formats have none
        try:
            response = format_messages(messages=messages)
        except Exception as error:  # they index and join whatever they receive
            raise TemplateError(str(error) or type(error).__name__) from error
        stop = response.stop
        return Rendered(response.prompt, (stop,) if isinstance(stop, str) else tuple(stop or ()))

    return render
