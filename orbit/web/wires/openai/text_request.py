"""``POST /v1/completions``: the older request, with one prompt or several. ORBIT asks each as a question."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar.types import Scope
from msgspec import Meta

from orbit.auth.keys import Identity
from orbit.chat.turn import Turn
from orbit.config.model import General, Limits
from orbit.types import CallContext, Filter, GenerateOptions, Message
from orbit.web.http.body import check_length, decode
from orbit.web.http.request import bearer
from orbit.web.wires.checks import ParameterError, filter_of
from orbit.web.wires.conversation import Conversation
from orbit.web.wires.openai.stream_options import StreamedRequest
from orbit.web.wires.openai.text_wire import BatchWire, TextWire
from orbit.web.wires.parameters import check_parameters
from orbit.web.wires.sent_names import SentNames, sent_as


class TextRequest(StreamedRequest, frozen=True, kw_only=True):
    """The parameters that ORBIT supports; the module ``parameters`` handles all others."""

    model: str
    prompt: str | Annotated[list[str | int | list[int]], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    filter: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(TextRequest)
_MOST_PROMPTS: Final = 128
_KNOWN = frozenset(field.encode_name for field in msgspec.structs.fields(TextRequest))
_NAMES: SentNames = {"messages": ("prompt",), "repeat_penalty": ("repetition_penalty", "repeat_penalty")}
_EXPECTED = 'Expected {"model": "...", "prompt": "...", ...}.'


class TextQuestion(msgspec.Struct, frozen=True):
    """A checked request. ``others`` are the prompts after the first."""

    request: TextRequest
    prompt: str
    others: tuple[str, ...]
    ignored: tuple[str, ...]
    extra: dict[str, Any]
    filter: Filter | None = None

    is_complete: Literal[True] = True

    async def completed(self, hosts: Sequence[str], limit: int, key_id: str) -> TextQuestion:
        """Return it as it is: nothing in it is fetched."""
        del hosts, limit, key_id
        return self

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return bool(self.request.stream)

    def turn(self, identity: Identity, context: CallContext) -> Turn:
        """Return the turn that the request asks for."""
        request = self.request
        options = GenerateOptions(
            **request.options(), max_tokens=request.max_tokens, logprobs=request.logprobs, extra=self.extra
        )
        conversation = Conversation("", (), Message("user", self.prompt), ())
        turn = conversation.turn(identity, context, options, request.model, thoughts=False)
        return msgspec.structs.replace(turn, filter=self.filter)

    def sent_as(self, option: str) -> str:
        """Return the field in which the client sent an option."""
        return sent_as(self.request, option, _NAMES)

    def wire(self, request_id: str) -> TextWire:
        """Return the wire that writes the answer."""
        request, prompts = self.request, 1 + len(self.others)
        kind = TextWire if prompts == 1 else partial(BatchWire, prompts)
        return kind(request_id, request.model, include_usage=request.include_usage, ignored=self.ignored)


class TextProtocol:
    """``Authorization: Bearer`` and OpenAI's older request."""

    def __init__(self, limits: Limits, general: General) -> None:
        self._passed = frozenset(general.pass_parameters)
        self._limits = limits
        self.max_body = limits.max_body_bytes

    def secret(self, scope: Scope) -> str | None:
        """Return the API key of a request. ORBIT's own header works too."""
        return bearer(scope)

    def question(self, body: bytes) -> TextQuestion:
        """Decode and check a body. Raises RequestError with what is wrong."""
        request = decode(body, _decoder, _EXPECTED)
        ignored, extra = check_parameters(body, _KNOWN, self._passed)
        request.check_stream()
        prompts = _prompts(request.prompt)
        for prompt in prompts:
            check_length(prompt, self._limits.max_message_chars)
        return TextQuestion(request, prompts[0], tuple(prompts[1:]), ignored, extra, filter_of(request.filter))


def _prompts(given: str | list[str | int | list[int]]) -> list[str]:
    """Return the prompts. Raises ParameterError."""
    prompts = [given] if isinstance(given, str) else [prompt for prompt in given if isinstance(prompt, str)]
    if not isinstance(given, str) and len(prompts) < len(given):
        detail = "A prompt must be text, not numbers of tokens. lm-eval sends text with tokenized_requests=False."
        raise ParameterError("prompt", detail)
    if len(prompts) > _MOST_PROMPTS:
        raise ParameterError("prompt", f"There are {len(prompts)} prompts; at most {_MOST_PROMPTS} are allowed.")
    if not all(map(str.strip, prompts)):
        raise ParameterError("prompt", "A prompt must not be empty.")
    return prompts
