"""The contract of ``generate``, and of ``count_tokens`` if the provider implements it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, get_args

import msgspec
import pytest

from orbit import (
    CallContext,
    Capability,
    Chunk,
    FinishReason,
    GenerateOptions,
    Message,
    Model,
    TokenCount,
    Tool,
    ToolCall,
    ToolChoice,
    Usage,
)
from orbit.testing.contract import calls
from orbit.testing.contract.leftovers import left, running, until
from orbit.testing.contract.promise import Promise, kind, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, PARTS_OF_TALK, TALK, UNICODE, longer_talks
from orbit.testing.contract.subject import CONTEXT, Subject

_ANYTHING: Final = GenerateOptions()
_CALLS: Final = 4
_NAMES: Final = ("Alfa", "Bravo", "Charlie", "Delta")
"""Names for concurrent prompts: each prompt contains one of them."""
_THOUGHT: Final = "Zebras are pondered first."
_THINKING: Final = ("<think", "</think", "[THINK]", "<|channel|>")
"""Markers of thoughts in a model's text."""
_ROUNDS: Final = 2
_REPLACEMENT: Final = "\ufffd"
_TWO: Final = 2


class BaseGenerateContract(BaseProviderContract):
    """The contract of providers that generate answers."""

    @pytest.fixture
    def messages(self) -> Sequence[Message]:
        """Return a conversation that the provider answers with several words."""
        return [Message("user", "Tell me in a few sentences how tea is made.")]

    @pytest.fixture
    def sent_texts(self) -> Callable[[], Sequence[str]] | None:
        """Return a function that lists the texts that the service received, oldest first, or None if nothing can."""
        return None

    @pytest.fixture
    def think(self) -> Callable[[str], None] | None:
        """Return a function that makes the service think a text before answers; None if its models do not think."""
        return None

    @pytest.fixture
    def call_tools(self) -> Callable[[], None] | None:
        """Return a function that makes the service call the tools it is given; None if a model decides."""
        return None

    @pytest.fixture
    def cut_off(self) -> Callable[[], None] | None:
        """Return a function that makes the service cut its next answer off after some words; None if impossible."""
        return None

    async def test_generate_is_offered(self, promise: Promise, subject: Subject) -> None:
        """The provider implements `generate` and, with these settings, offers it."""
        calls.offered(promise, subject, "generate")

    async def test_generate_yields_chunks(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """`generate` yields orbit.Chunk, each with text of type str."""
        for chunk in await calls.answered(promise, lambda: _collect(subject, messages)):
            if type(chunk) is not Chunk:
                promise.broken(f"it yielded {kind(chunk)}", "yield orbit.Chunk(text)")
            if not isinstance(chunk.text, str):
                promise.broken(f"it yielded a Chunk whose text is {kind(chunk.text)}", "decode it to str")

    async def test_generate_says_something(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """An answer without an error has text."""
        if not await calls.answered(promise, lambda: _text(subject, messages)):
            promise.broken("all chunks were empty", "yield the model's text, or raise orbit.ProviderError")

    async def test_generate_ends_with_its_reason(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """The last chunk, and no other, has a `finish_reason`: `stop`, `length`, `tool_calls` or `content_filter`."""
        chunks = await calls.answered(promise, lambda: _collect(subject, messages))
        for chunk in chunks[:-1]:
            if chunk.finish_reason is not None:
                promise.broken("chunks followed the one that had it", "give finish_reason with the last chunk only")
        reason = chunks[-1].finish_reason if chunks else None
        if reason is None:
            promise.broken("the last one had none", 'end with orbit.Chunk(finish_reason="stop")')
        if reason not in get_args(FinishReason):
            promise.broken(f"it was {reason!r}", "translate the service's word to one of them")

    async def test_generate_passes_the_conversation_on(
        self, promise: Promise, subject: Subject, sent_texts: Callable[[], Sequence[str]] | None
    ) -> None:
        """The model reads the whole conversation in order: system prompt, earlier questions and answers, question."""
        mend = "send every message, with its role, in the order given"
        before = len(sent_texts()) if sent_texts else 0
        shortest = await calls.answered(promise, lambda: _prompt_tokens(subject, TALK))
        answer = await calls.answered(promise, lambda: _text(subject, TALK, GenerateOptions(temperature=0.0)))
        echoed = [part for part, message in zip(PARTS_OF_TALK, TALK, strict=True) if message.content in answer]
        if sent_texts is not None:
            sent = "\n".join(list(sent_texts())[before:])
            places = [sent.find(message.content) for message in TALK]
            for part, place in zip(PARTS_OF_TALK, places, strict=True):
                if place < 0:
                    promise.broken(f"the {part} did not reach the service", mend)
            if places != sorted(places):
                promise.broken("the messages reached the service in another order", mend)
        elif len(echoed) == len(TALK):
            return
        elif len(echoed) >= (_TWO if shortest is None else _TWO + 1):  # the model repeats its input
            missing = next(part for part in PARTS_OF_TALK if part not in echoed)
            promise.broken(f"the answer repeats it without the {missing}", mend)
        elif shortest is None:
            promise.untold("since the fixture sent_texts is None, and the answers have no usage to tell by")
        else:
            for part, talk in longer_talks():
                if (await calls.answered(promise, partial(_prompt_tokens, subject, talk)) or 0) <= shortest:
                    promise.broken(f"a longer {part} left usage.prompt_tokens as they were", mend)

    async def test_generate_keeps_thoughts_apart(
        self, promise: Promise, subject: Subject, messages: Sequence[Message], think: Callable[[str], None] | None
    ) -> None:
        """What a model thinks before its answer is no part of the answer's text."""
        if think is not None:
            think(_THOUGHT)
        for stream in (True, False):
            options = GenerateOptions(stream=stream)
            text = await calls.answered(promise, partial(_text, subject, messages, options))
            if any(mark in text for mark in (_THOUGHT, *_THINKING)):
                promise.broken(
                    f"with stream={stream} the answer was {text[:60]!r}",
                    "yield thoughts as orbit.Chunk(reasoning=...): orbit.Thinking finds them between tags",
                )
            if not text.strip():
                promise.broken(
                    f"with stream={stream} no answer was left beside them", "yield what follows the thoughts"
                )

        if think is None:
            promise.untold("since the fixture think is None")

    async def test_generate_tells_of_cut_answers(
        self, promise: Promise, subject: Subject, messages: Sequence[Message], cut_off: Callable[[], None] | None
    ) -> None:
        """An answer that the service breaks off raises ProviderError: it is not taken as complete."""
        if cut_off is None:
            promise.untold("since the fixture cut_off is None")
        whole = await calls.answered(promise, lambda: _text(subject, messages))
        cut_off()
        text = await calls.attempted(promise, lambda: _text(subject, messages))
        if text is not None and text != whole:
            promise.broken(
                f"the answer ended after {text[:60]!r} without an error",
                "raise orbit.ProviderError unless the service said that the answer is complete",
            )

    async def test_generate_counts_usage(self, promise: Promise, subject: Subject, messages: Sequence[Message]) -> None:
        """Usage, if given, is an orbit.Usage with token counts of 0 or more."""
        for chunk in await calls.answered(promise, lambda: _collect(subject, messages)):
            usage = chunk.usage
            if usage is None:
                continue
            if not isinstance(usage, Usage):
                promise.broken(f"it is {kind(usage)}", "give orbit.Usage(prompt_tokens, completion_tokens)")
            for count in (usage.prompt_tokens, usage.completion_tokens):
                if type(count) is not int or count < 0:
                    promise.broken(f"it is {usage}", "give whole numbers, or no usage where it is unknown")

    async def test_generate_keeps_characters_whole(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """No chunk ends inside a character, however the service splits its bytes."""
        asked = [*messages[:-1], Message("user", f"{messages[-1].content} {UNICODE}")]
        for chunk in await calls.attempted(promise, lambda: _collect(subject, asked)) or ():
            try:
                chunk.text.encode()
            except UnicodeEncodeError:
                promise.broken(f"a chunk had half of one: {chunk.text!a}", _DECODE)
            if _REPLACEMENT in chunk.text:
                promise.broken(f"a chunk had U+FFFD in place of one: {chunk.text!a}", _DECODE)

    async def test_generate_keeps_to_max_tokens(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """No answer has more tokens than options.max_tokens, and one that they cut ends with `length`."""
        greedy = GenerateOptions(temperature=0.0, seed=1)
        options = msgspec.structs.replace(greedy, max_tokens=_TWO)
        chunks = await calls.answered(promise, lambda: _collect(subject, messages, options))
        counted = next((chunk.usage.completion_tokens for chunk in reversed(chunks) if chunk.usage), None)
        words = len("".join(chunk.text for chunk in chunks).split())
        if (counted or 0) > _TWO or words > _TWO:
            promise.broken(
                f"with max_tokens={_TWO} it gave {f'{counted} tokens' if (counted or 0) > _TWO else f'{words} words'}",
                "pass max_tokens on to the service, or stop by yourself",
            )
        text = "".join(chunk.text for chunk in chunks).rstrip()
        whole = (await calls.answered(promise, lambda: _text(subject, messages, greedy))).rstrip()
        if whole.startswith(text) and len(whole) > len(text) and chunks[-1].finish_reason == "stop":
            promise.broken(
                f"with max_tokens={_TWO} it ended with 'stop' after {text[:40]!r} of {whole[:60]!r}",
                "tell the service's reason, or 'length' where you cut",
            )

    async def test_generate_stops_at_stop_texts(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """An answer ends before the first of options.stop."""
        words = (await calls.answered(promise, lambda: _text(subject, messages))).split()
        if len(words) < _TWO:
            promise.untold("since the answer to the fixture messages has fewer than two words")
        stop = max(words[1:], key=len)
        text = await calls.answered(promise, lambda: _text(subject, messages, GenerateOptions(stop=(stop,))))
        if stop in text:
            promise.broken(f"with stop=({stop!r},) it said {text[:80]!r}", "pass stop on, or cut the text there")

    async def test_generate_gives_whole_answers_too(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """With options.stream off, `generate` yields the answer in one chunk or in several."""
        if not await calls.answered(promise, lambda: _text(subject, messages, GenerateOptions(stream=False))):
            promise.broken("nothing came", "yield the whole answer as one Chunk")

    async def test_generate_leaves_messages_alone(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """`generate` does not change the messages that it is given."""
        given = list(messages)
        await calls.answered(promise, lambda: _collect(subject, given))
        calls.unchanged(promise, list(messages), given)

    async def test_generate_takes_any_conversation(self, promise: Promise, subject: Subject) -> None:
        """`generate` answers any conversation, or raises ProviderError: an empty one, a history, odd characters."""
        talk = [Message("system", "Be brief."), Message("user", "Hello."), Message("assistant", "Hello, how are you?")]
        for messages in (
            [Message("user", "")],
            [*talk, Message("user", "Well.")],
            [Message("user", "\0 \u2028 {} <s>")],
        ):
            await calls.attempted(promise, partial(_collect, subject, messages))

    async def test_generate_takes_huge_prompts(self, promise: Promise, subject: Subject) -> None:
        """`generate` answers a prompt of any length, or raises PromptTooLong or ProviderError."""
        options = GenerateOptions(max_tokens=_TWO)
        await calls.attempted(promise, lambda: _collect(subject, [Message("user", HUGE)], options))

    async def test_generate_side_by_side(
        self,
        promise: Promise,
        subject: Subject,
        messages: Sequence[Message],
        sent_texts: Callable[[], Sequence[str]] | None,
    ) -> None:
        """Concurrent answers do not affect each other: each answers its own prompt."""
        asked = [f"{name}. {messages[-1].content}{' Please.' * number}" for number, name in enumerate(_NAMES)]
        greedy = GenerateOptions(temperature=0.0, seed=1, max_tokens=16)
        invokes = [partial(_text, subject, [*messages[:-1], Message("user", one)], greedy) for one in asked]
        before = len(sent_texts()) if sent_texts else 0
        # Answers to the same prompt may differ, but each must have text.
        answers = await calls.side_by_side(promise, invokes, lambda one, other: bool(one) == bool(other))
        mend = "keep what belongs to one call in local variables, not in self"
        for number, (alone, together) in enumerate(answers):
            if together is not None and _is_anothers(alone, together, number, [one for one, _ in answers]):
                promise.broken(f"to {asked[number][:40]!r} came {together[:40]!r}, which belongs to another", mend)
        if sent_texts is not None:
            sent = "\n".join(list(sent_texts())[before:])
            for name, (_, together) in zip(_NAMES, answers, strict=True):
                if together is not None and sent.count(name) < _TWO:  # once alone, once among the others
                    promise.broken(f"the prompt that begins with {name!r} did not reach the service", mend)

    async def test_generate_stops_when_closed(
        self,
        promise: Promise,
        subject: Subject,
        messages: Sequence[Message],
        open_connections: Callable[[], int] | None,
        patience: float,
    ) -> None:
        """Closing the stream after its first chunk stops the work behind it."""
        await calls.answered(promise, lambda: asyncio.gather(*(_text(subject, messages) for _ in range(_CALLS))))
        before, connections = running(), open_connections() if open_connections else 0
        for _ in range(_ROUNDS):  # the first round may open connections that a pool keeps
            streams = [_stream(subject, messages) for _ in range(_CALLS)]
            await calls.answered(promise, lambda streams=streams: asyncio.gather(*map(_first, streams)))  # type: ignore[misc]  # bound at once
            for stream in streams:
                await _close(promise, stream, patience)
        if still := await left(before, patience, "tasks"):
            promise.broken(f"{still} still ran {patience:g} s later", _CLOSE)
        if open_connections is not None and not await until(lambda: open_connections() <= connections, patience):
            promise.broken(
                f"after {_ROUNDS * _CALLS} streams, {open_connections() - connections} connections more than before "
                f"were open {patience:g} s later",
                _CLOSE,
            )

    async def test_generate_can_be_cancelled(
        self,
        promise: Promise,
        subject: Subject,
        messages: Sequence[Message],
        open_connections: Callable[[], int] | None,
        patience: float,
    ) -> None:
        """A cancelled call ends at once, at any moment, and stops the work behind it."""
        await calls.answered(promise, lambda: _text(subject, messages))
        connections = open_connections() if open_connections else 0
        await calls.cancelled(promise, lambda: _collect(subject, messages), patience)
        if open_connections is not None and not await until(lambda: open_connections() <= connections + 1, patience):
            promise.broken(f"{open_connections() - connections} connections were still open", _CLOSE)

    async def test_generate_keeps_deadlines(
        self, promise: Promise, subject: Subject, messages: Sequence[Message], patience: float
    ) -> None:
        """A call past its deadline ends: cancelled, or with a ProviderError."""

        def ask(context: CallContext) -> Any:
            return _collect(subject, messages, context=context)

        await calls.ended_in_time(promise, ask, patience)

    async def test_generate_leaves_the_loop_free(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """`generate` does not block the event loop."""
        await calls.shared_loop(promise, lambda: _collect(subject, messages))

    async def test_generate_leaves_nothing_running(
        self, promise: Promise, subject: Subject, messages: Sequence[Message], patience: float
    ) -> None:
        """Nothing keeps running after the last chunk."""
        await calls.left_alone(promise, lambda: _collect(subject, messages), patience)

    async def test_generate_while_down(self, promise: Promise, down: Subject, messages: Sequence[Message]) -> None:
        """While its service is down, `generate` raises a retryable ProviderError of kind `unavailable`."""
        await calls.told_of_the_outage(promise, lambda: _collect(down, messages))

    async def test_generate_says_what_its_models_support(self, promise: Promise, subject: Subject) -> None:
        """`models` returns orbit.Models, the configured one first, each with words that ORBIT knows."""
        if not subject.implements("models"):
            promise.untold("since the provider does not implement models")
        models = await calls.answered(promise, lambda: subject.call("models"))
        if not isinstance(models, Sequence) or not models or not all(isinstance(model, Model) for model in models):
            promise.broken(f"it returned {models!r:.80}", "return a list of orbit.Model, one for each model")
        names = [model.name for model in models]
        if len(set(names)) != len(names):
            promise.broken(f"a name came twice: {names}", "list each model once")
        for word in {word for model in models for word in model.supports}:
            if word not in get_args(Capability):
                promise.broken(f"a model supports {word!r}", f"use the words {', '.join(get_args(Capability))}")

    async def test_generate_calls_tools(
        self, promise: Promise, subject: Subject, call_tools: Callable[[], None] | None
    ) -> None:
        """A tool call has its own id, the name of a tool that was given, and a JSON object of arguments."""
        await _require_tools(promise, subject)
        if call_tools is not None:
            call_tools()
        options = GenerateOptions(tools=_TOOLS, tool_choice=ToolChoice("required"))
        chunks = await calls.answered(promise, lambda: _collect(subject, _ASKED, options))
        found = [call for chunk in chunks for call in chunk.tool_calls]
        if not found:
            promise.untold("since no tool was called; override the fixture call_tools if the service can be made to")
        _check_calls(promise, found)
        if chunks[-1].finish_reason not in ("tool_calls", "length"):
            promise.broken(f"the answer ended with {chunks[-1].finish_reason!r}", 'end with finish_reason="tool_calls"')

    async def test_generate_reads_what_tools_return(
        self, promise: Promise, subject: Subject, sent_texts: Callable[[], Sequence[str]] | None
    ) -> None:
        """The model reads the results of tools, and answers after them."""
        await _require_tools(promise, subject)
        before = len(sent_texts()) if sent_texts else 0
        result = Message("tool", "Zanzibar: 31 degrees.", tool_call_id=_CALL.id)
        talk = [*_ASKED, Message("assistant", "", tool_calls=(_CALL,)), result]
        if not await calls.answered(promise, lambda: _collect(subject, talk, GenerateOptions(tools=_TOOLS))):
            promise.broken("nothing came after the result", "send the result, and yield the model's answer")
        if sent_texts is not None and "Zanzibar: 31" not in "\n".join(list(sent_texts())[before:]):
            promise.broken("the result did not reach the service", "send messages of the role 'tool' with their texts")

    async def test_count_tokens_measures_the_prompt(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """`count_tokens` returns an orbit.TokenCount: each message counts, and the window stays the same."""
        if not subject.implements("count_tokens"):
            promise.untold("since the provider does not implement count_tokens")
        longer = [*messages[:-1], Message("user", f"{messages[-1].content} " * 3)]
        short, long = [
            await calls.answered(promise, partial(subject.call, "count_tokens", messages=one, options=_ANYTHING))
            for one in (messages, longer)
        ]
        for count in (short, long):
            if not isinstance(count, TokenCount):
                promise.broken(f"it returned {kind(count)}", "return orbit.TokenCount(prompt, window)")
        if not 0 < short.prompt < long.prompt or short.window != long.window or short.window <= 0:
            promise.broken(f"it returned {short} and {long}", "count all messages, as generate would read them")
        talk = await calls.answered(promise, lambda: subject.call("count_tokens", messages=TALK, options=_ANYTHING))
        for part, longer_talk in longer_talks():
            count = await calls.answered(
                promise, partial(subject.call, "count_tokens", messages=longer_talk, options=_ANYTHING)
            )
            if count.prompt <= talk.prompt:
                promise.broken(f"a longer {part} did not count more", "count all messages, as generate would read them")


_DECODE: Final = 'decode bytes with codecs.getincrementaldecoder("utf-8"), which keeps what is not complete yet'
_CLOSE: Final = "hold what a stream opens in `async with` or `finally`, and do not catch GeneratorExit"


_TOOLS: Final = (
    Tool("weather", "The weather.", {"type": "object", "properties": {"town": {"enum": ["Bonn", "Ulm"]}}}),
    Tool("clock", "The time."),
)
_ASKED: Final = (Message("user", "How is the weather in Bonn?"),)
_CALL: Final = ToolCall("call_1", "weather", '{"town": "Bonn"}')


async def _require_tools(promise: Promise, subject: Subject) -> None:
    """Skip a rule about tools for a provider that does not support them."""
    models = await calls.answered(promise, lambda: subject.call("models")) if subject.implements("models") else ()
    if not models or "tools" not in models[0].supports:
        promise.untold("since the provider's model does not support tools")


def _check_calls(promise: Promise, found: Sequence[Any]) -> None:
    for call in found:
        if not isinstance(call, ToolCall):
            promise.broken(f"it yielded {kind(call)}", "yield orbit.ToolCall(id, name, arguments)")
        if call.name not in [tool.name for tool in _TOOLS]:
            promise.broken(f"it called {call.name!r}, which was not given", "pass the names of tools on unchanged")
        try:
            arguments = json.loads(call.arguments)
        except (TypeError, ValueError):
            arguments = None
        if not isinstance(arguments, dict):
            promise.broken(f"the arguments were {call.arguments!r:.60}", "give a JSON object as text; {} for none")
    ids = [call.id for call in found]
    if not all(ids) or len(set(ids)) != len(ids):
        promise.broken(f"the ids were {ids}", "make an id up where the service gives none, or the same twice")


def _stream(
    subject: Subject, messages: Sequence[Message], options: GenerateOptions = _ANYTHING, context: CallContext = CONTEXT
) -> AsyncGenerator[Chunk, None]:
    stream: AsyncGenerator[Chunk, None] = subject.call("generate", context, messages=messages, options=options)
    return stream


async def _collect(
    subject: Subject, messages: Sequence[Message], options: GenerateOptions = _ANYTHING, context: CallContext = CONTEXT
) -> list[Chunk]:
    async with aclosing(_stream(subject, messages, options, context)) as chunks:
        return [chunk async for chunk in chunks]


async def _text(subject: Subject, messages: Sequence[Message], options: GenerateOptions = _ANYTHING) -> str:
    return "".join(chunk.text for chunk in await _collect(subject, messages, options))


async def _prompt_tokens(subject: Subject, messages: Sequence[Message]) -> int | None:
    """Return the prompt tokens that the usage reports, or None if the provider does not report them."""
    chunks = await _collect(subject, messages, GenerateOptions(max_tokens=_TWO))
    return next((chunk.usage.prompt_tokens or None for chunk in reversed(chunks) if chunk.usage), None)


def _is_anothers(alone: str, together: str, number: int, answers: Sequence[str]) -> bool:
    """Return whether a call got another prompt's answer: the same text, or one that contains another prompt's name."""
    if together == alone:
        return False
    if together in answers:
        return True
    told = [name for name in _NAMES if name in together]
    return _NAMES[number] in alone and told != [_NAMES[number]]


async def _close(promise: Promise, stream: AsyncGenerator[Chunk, None], patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await stream.aclose()
    except TimeoutError:
        promise.broken(f"closing it took more than {patience:g} s", _CLOSE)
    except Exception as error:  # noqa: BLE001  # plugin code can raise anything
        promise.broken(f"closing it raised {told(error)}", _CLOSE)


async def _first(stream: AsyncGenerator[Chunk, None]) -> None:
    """Read the stream up to its first text."""
    async for chunk in stream:
        if chunk.text:
            return
