"""The contract of ``generate``, and of ``count_tokens`` where it is implemented."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Final, get_args

import pytest

from orbit import CallContext, Chunk, GenerateOptions, Message, TokenCount, Usage
from orbit.testing.contract import calls
from orbit.testing.contract.leftovers import left, running, until
from orbit.testing.contract.promise import Promise, kind, told
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.samples import HUGE, UNICODE
from orbit.testing.contract.subject import CONTEXT, Subject
from orbit.types import FinishReason

_ANYTHING: Final = GenerateOptions()
_CALLS: Final = 4
_ROUNDS: Final = 2
_REPLACEMENT: Final = "\ufffd"
_TWO: Final = 2


class BaseGenerateContract(BaseProviderContract):
    """For providers that write answers."""

    @pytest.fixture
    def messages(self) -> Sequence[Message]:
        """A conversation that the provider answers with several words."""
        return [Message("user", "Tell me in a few sentences how tea is made.")]

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
        """An answer that raises nothing has text."""
        if not await calls.answered(promise, lambda: _text(subject, messages)):
            promise.broken("all chunks were empty", "yield the model's text, or raise orbit.ProviderError")

    async def test_generate_ends_with_its_reason(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """A `finish_reason` is `stop`, `length` or `content_filter`, and comes with the last chunk."""
        chunks = await calls.answered(promise, lambda: _collect(subject, messages))
        for chunk in chunks[:-1]:
            if chunk.finish_reason is not None:
                promise.broken("chunks followed the one that had it", "give finish_reason with the last chunk only")
        reason = chunks[-1].finish_reason if chunks else None
        if reason is not None and reason not in get_args(FinishReason):
            promise.broken(f"it was {reason!r}", "translate the service's word to one of the three")

    async def test_generate_counts_usage(self, promise: Promise, subject: Subject, messages: Sequence[Message]) -> None:
        """Usage, where it is given, is an orbit.Usage with numbers of tokens from 0 up."""
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
        """No chunk ends inside a character, in whatever pieces the service sends its bytes."""
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
        """No answer has more tokens than options.max_tokens."""
        options = GenerateOptions(max_tokens=_TWO)
        chunks = await calls.answered(promise, lambda: _collect(subject, messages, options))
        counted = next((chunk.usage.completion_tokens for chunk in reversed(chunks) if chunk.usage), None)
        words = len("".join(chunk.text for chunk in chunks).split())
        if (counted or 0) > _TWO or words > _TWO:
            promise.broken(
                f"with max_tokens={_TWO} it gave {f'{counted} tokens' if (counted or 0) > _TWO else f'{words} words'}",
                "pass max_tokens on to the service, or stop by yourself",
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
        """With options.stream off, the answer is yielded as well, in one chunk or in several."""
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

    async def test_generate_side_by_side(self, promise: Promise, subject: Subject, messages: Sequence[Message]) -> None:
        """Answers written at the same time do not disturb each other."""
        asked = [[*messages[:-1], Message("user", f"{messages[-1].content} {number}")] for number in range(_CALLS)]
        greedy = GenerateOptions(temperature=0.0, seed=1, max_tokens=16)
        invokes = [partial(_text, subject, one, greedy) for one in asked]
        # What a model says need not be the same twice; that it says something must be.
        await calls.side_by_side(promise, invokes, lambda one, other: bool(one) == bool(other))

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
        for _ in range(_ROUNDS):  # the first may use connections that are kept for the next call
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
        """A call past its deadline ends, by cancellation or with a ProviderError, and with nothing else."""

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
        """Nothing runs on after the last chunk."""
        await calls.left_alone(promise, lambda: _collect(subject, messages), patience)

    async def test_generate_while_down(self, promise: Promise, down: Subject, messages: Sequence[Message]) -> None:
        """While its service is down, `generate` raises a retryable ProviderError of kind `unavailable`."""
        await calls.told_of_the_outage(promise, lambda: _collect(down, messages))

    async def test_count_tokens_measures_the_prompt(
        self, promise: Promise, subject: Subject, messages: Sequence[Message]
    ) -> None:
        """`count_tokens` returns an orbit.TokenCount; a longer prompt counts more, the window stays the same."""
        if not subject.implements("count_tokens"):
            promise.untold("since the provider does not implement count_tokens")
        longer = [*messages[:-1], Message("user", f"{messages[-1].content} " * 3)]
        short, long = [
            await calls.answered(promise, partial(subject.call, "count_tokens", messages=one))
            for one in (messages, longer)
        ]
        for count in (short, long):
            if not isinstance(count, TokenCount):
                promise.broken(f"it returned {kind(count)}", "return orbit.TokenCount(prompt, window)")
        if not 0 < short.prompt < long.prompt or short.window != long.window or short.window <= 0:
            promise.broken(f"it returned {short} and {long}", "count all messages, as generate would read them")


_DECODE: Final = 'decode bytes with codecs.getincrementaldecoder("utf-8"), which keeps what is not complete yet'
_CLOSE: Final = "hold what a stream opens in `async with` or `finally`, and do not catch GeneratorExit"


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


async def _close(promise: Promise, stream: AsyncGenerator[Chunk, None], patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await stream.aclose()
    except TimeoutError:
        promise.broken(f"closing it took more than {patience:g} s", _CLOSE)
    except Exception as error:  # noqa: BLE001  # whatever a plugin raises is told
        promise.broken(f"closing it raised {told(error)}", _CLOSE)


async def _first(stream: AsyncGenerator[Chunk, None]) -> None:
    """Read up to the first text."""
    async for chunk in stream:
        if chunk.text:
            return
