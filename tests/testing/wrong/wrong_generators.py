"""Wrong in `generate` or `count_tokens`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from wrong_kit import Right, Service, Wrong, swallow

import orbit
from orbit import Chunk, GenerateOptions, Message, hookimpl


class RightGenerator(Right):
    """An echo; a token is a word."""

    @hookimpl
    async def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: orbit.CallContext
    ) -> AsyncIterator[Chunk]:
        await self.work()
        sent = self.sent(messages)
        if options.tools and messages[-1].role == "user":
            with self.connect():
                yield Chunk(tool_calls=self.called())
                yield self.end("tool_calls", orbit.Usage(1, 1))
            return
        text = sent[-1] or "Well?"
        for stop in options.stop:
            text = text.partition(stop)[0]
        words = text.split(" ")[: options.max_tokens]
        with self.connect():
            Service.sent += sent
            if Service.thought:
                yield self.thought(Service.thought)
            for word in words:
                yield self.chunk(f"{word} ")
                await asyncio.sleep(0)
                if Service.cuts:
                    Service.cuts = False
                    self.cut()
                    break
        reason: Literal["length", "stop"] = "length" if len(words) == options.max_tokens else "stop"
        yield self.end(reason, orbit.Usage(len(" ".join(sent).split()), len(words)))

    @hookimpl
    async def models(self) -> Any:
        await self.work()
        return self.listed()

    def listed(self) -> Any:
        return [orbit.Model("echo", supports=frozenset({"tools"}))]

    def called(self) -> Any:
        return (orbit.ToolCall("call_1", "weather", '{"town": "Bonn"}'),)

    def sent(self, messages: Sequence[Message]) -> list[str]:
        return [message.content for message in messages]

    def thought(self, text: str) -> Chunk:
        return Chunk(reasoning=text)

    def cut(self) -> None:
        raise orbit.ProviderError("the service closed the connection.", retryable=True, retried=True)

    def end(self, reason: orbit.FinishReason, usage: orbit.Usage) -> Chunk:
        return Chunk(finish_reason=reason, usage=usage)

    def chunk(self, text: str) -> Any:
        return Chunk(text)

    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> orbit.TokenCount:
        return orbit.TokenCount(sum(len(message.content) for message in messages), 4096)


class ListsNames(RightGenerator):
    def listed(self) -> Any:
        return ["echo"]


class ListsTwice(RightGenerator):
    def listed(self) -> Any:
        return [orbit.Model("echo"), orbit.Model("echo")]


class SupportsMagic(RightGenerator):
    def listed(self) -> Any:
        return [orbit.Model("echo", supports=frozenset({"magic"}))]  # type: ignore[arg-type]  # the fault


class CallsByText(RightGenerator):
    def called(self) -> Any:
        return (orbit.ToolCall("call_1", "weather", "Bonn"),)


class CallsWithoutId(RightGenerator):
    def called(self) -> Any:
        return (orbit.ToolCall("", "weather", "{}"),)


class CallsAnother(RightGenerator):
    def called(self) -> Any:
        return (orbit.ToolCall("call_1", "tide", "{}"),)


class StopsAfterCalls(RightGenerator):
    def end(self, reason: orbit.FinishReason, usage: orbit.Usage) -> Chunk:
        return Chunk(finish_reason="stop" if reason == "tool_calls" else reason, usage=usage)


class DropsResults(RightGenerator):
    def sent(self, messages: Sequence[Message]) -> list[str]:
        return [message.content for message in messages if message.role != "tool"]


class Hidden(RightGenerator):
    def offers(self, hook: str) -> bool:
        return hook != "generate"


class YieldsText(RightGenerator):
    def chunk(self, text: str) -> Any:
        return text


class YieldsBytes(RightGenerator):
    def chunk(self, text: str) -> Any:
        return Chunk(text.encode())  # type: ignore[arg-type]  # the fault


class Silent(RightGenerator):
    def chunk(self, text: str) -> Any:
        return Chunk("")


class ReasonInEach(RightGenerator):
    def chunk(self, text: str) -> Any:
        return Chunk(text, "stop")


class NoReason(RightGenerator):
    def end(self, reason: orbit.FinishReason, usage: orbit.Usage) -> Chunk:
        return Chunk(usage=usage)


class AlwaysStops(RightGenerator):
    def end(self, reason: orbit.FinishReason, usage: orbit.Usage) -> Chunk:
        return Chunk(finish_reason="stop", usage=usage)


class DropsSystem(RightGenerator):
    def sent(self, messages: Sequence[Message]) -> list[str]:
        return [message.content for message in messages if message.role != "system"]


class DropsAnswers(RightGenerator):
    def sent(self, messages: Sequence[Message]) -> list[str]:
        return [message.content for message in messages if message.role != "assistant"]


class DropsHistory(RightGenerator):
    def sent(self, messages: Sequence[Message]) -> list[str]:
        return [message.content for message in (*[one for one in messages if one.role == "system"], messages[-1])]


class Sorts(RightGenerator):
    """Answers first, then questions."""

    def sent(self, messages: Sequence[Message]) -> list[str]:
        return [message.content for message in sorted(messages, key=lambda message: message.role)]


class DropsSystemUnseen(DropsSystem):
    pass


class DropsHistoryUnseen(DropsHistory):
    pass


class Repeats(RightGenerator):
    """Answers with all that it reads, but for the system prompt; it counts nothing."""

    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        yield Chunk("\n".join(message.content for message in messages if message.role != "system"), "stop")


class ThinksInTags(RightGenerator):
    """Its own model thinks aloud, whatever the service does."""

    def chunk(self, text: str) -> Chunk:
        return Chunk(f"<think>hm</think>{text}")


TOLD_BY_USAGE = (DropsSystemUnseen, DropsHistoryUnseen, Repeats)
"""Generators whose service cannot tell what it received."""


class ThinksAloud(RightGenerator):
    def thought(self, text: str) -> Chunk:
        return Chunk(f"<think>{text}</think>")


class AnswersWithThoughts(RightGenerator):
    """Takes a field with another name for the answer."""

    def thought(self, text: str) -> Chunk:
        return Chunk(text)


class SwallowsCut(RightGenerator):
    def cut(self) -> None:
        """Take what came for all."""


class KeepsMessages(RightGenerator):
    """What one call keeps in self, another overwrites before it is read."""

    @hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        self.messages = messages
        await self.work()
        for word in self.messages[-1].content.split()[: options.max_tokens]:
            yield Chunk(f"{word} ")


class SharesWords(RightGenerator):
    """Calls take their words from one queue."""

    @hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        self.words = messages[-1].content.split()[: options.max_tokens]
        while self.words:
            yield Chunk(f"{self.words.pop(0)} ")
            await asyncio.sleep(0)


class SendsAnothers(RightGenerator):
    """The answer does not show what was asked, but the service knows."""

    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        self.messages = messages
        await self.work()
        Service.sent += self.sent(self.messages)
        yield Chunk("Yes.", "stop")


class OwnReason(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        yield Chunk("hello", "eos_token")  # type: ignore[arg-type]  # the fault


class HalfTokens(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        yield Chunk("hello", "stop", orbit.Usage(1, 0.5))  # type: ignore[arg-type]  # the fault


class UsageIsDict(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        yield Chunk("hello", "stop", {"prompt_tokens": 1})  # type: ignore[arg-type]  # the fault


class SplitsBytes(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        said = messages[-1].content.encode()
        for start in range(0, len(said), 3):
            yield Chunk(said[start : start + 3].decode(errors="replace"))


class SplitsPairs(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        said = messages[-1].content.encode("utf-16-le")
        for start in range(0, len(said), 2):
            yield Chunk(said[start : start + 2].decode("utf-16-le", errors="surrogatepass"))


class Chatters(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        for word in messages[-1].content.split():
            yield Chunk(f"{word} ")


class OnlyStreams(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message], options: GenerateOptions) -> AsyncIterator[Chunk]:
        if options.stream:
            yield Chunk("hello")


class Appends(RightGenerator):
    @hookimpl
    async def generate(self, messages: list[Message]) -> AsyncIterator[Chunk]:
        messages.append(Message("assistant", "hello"))
        yield Chunk("hello")


class NeedsWords(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        yield Chunk(messages[-1].content.split()[0])


class NeedsShort(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if len(messages[-1].content) > 4096:
            raise ValueError("prompt exceeds the context")
        yield Chunk("hello")


class Alone(RightGenerator):
    busy = False

    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if self.busy:
            raise RuntimeError("one at a time")
        self.busy = True
        await asyncio.sleep(0)
        yield Chunk("hello")
        self.busy = False


class Produces(RightGenerator):
    """Fills a queue that nobody empties any more."""

    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        words: asyncio.Queue[str] = asyncio.Queue(1)

        async def produce() -> None:
            for word in messages[-1].content.split():
                await words.put(f"{word} ")
            await words.put("")

        self.task = asyncio.create_task(produce(), name="producer")
        while word := await words.get():
            yield Chunk(word)


class KeepsConnection(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        Service.open += 1
        for word in messages[-1].content.split():
            yield Chunk(word)
            await asyncio.sleep(0)
        Service.open -= 1


class GoesOn(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        for word in messages[-1].content.split():
            try:
                yield Chunk(word)
            except GeneratorExit:
                yield Chunk("but")


class ClosesSlowly(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        done = False
        try:
            yield Chunk("hello")
            done = True
        finally:
            if not done:
                await asyncio.sleep(0.4)


class Stubborn(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        await swallow()
        yield Chunk("hello")


class TurnsCancellation(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        try:
            await asyncio.sleep(0.05)
        except BaseException as error:
            raise orbit.ProviderError("the model failed.") from error
        yield Chunk("hello")


class Hasty(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message], context: orbit.CallContext) -> AsyncIterator[Chunk]:
        if context.deadline is not None and context.deadline < time.monotonic():
            raise ValueError("timeout must be positive")
        yield Chunk("hello")


class Blocks(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        time.sleep(0.13)  # noqa: ASYNC251  # the fault
        yield Chunk("hello")


class Detaches(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        self.task = asyncio.create_task(asyncio.sleep(2), name="counter")
        yield Chunk("hello")


class Hopes(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if self.settings.up:
            yield Chunk("hello")


class RaisesRaw(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if not self.settings.up:
            raise ConnectionRefusedError
        yield Chunk("hello")


class GivesUp(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if not self.settings.up:
            raise orbit.ProviderError("the service does not answer.")
        yield Chunk("hello")


class Hangs(RightGenerator):
    @hookimpl
    async def generate(self, messages: Sequence[Message]) -> AsyncIterator[Chunk]:
        if not self.settings.up:
            await asyncio.sleep(3600)
        yield Chunk("hello")


class CountsNothing(RightGenerator):
    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> orbit.TokenCount:
        return orbit.TokenCount(7, 4096)


class CountsFirst(RightGenerator):
    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> orbit.TokenCount:
        return orbit.TokenCount(len(messages[0].content), 4096)


class CountsLast(RightGenerator):
    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> orbit.TokenCount:
        return orbit.TokenCount(len(messages[-1].content), 4096)


class CountsToNumber(RightGenerator):
    @hookimpl
    async def count_tokens(self, messages: Sequence[Message]) -> Any:
        return 7


WRONG = (
    Wrong("test_generate_says_what_its_models_support", ListsNames, "return a list of orbit.Model"),
    Wrong("test_generate_says_what_its_models_support", ListsTwice, "a name came twice"),
    Wrong("test_generate_says_what_its_models_support", SupportsMagic, "a model supports 'magic'"),
    Wrong("test_generate_calls_tools", CallsByText, "the arguments were 'Bonn'"),
    Wrong("test_generate_calls_tools", CallsWithoutId, "make an id up"),
    Wrong("test_generate_calls_tools", CallsAnother, "it called 'tide', which was not given"),
    Wrong("test_generate_calls_tools", StopsAfterCalls, "the answer ended with 'stop'"),
    Wrong("test_generate_reads_what_tools_return", DropsResults, "the result did not reach the service"),
    Wrong("test_generate_is_offered", Hidden, "the host does not see it"),
    Wrong("test_generate_yields_chunks", YieldsText, "it yielded a str; yield orbit.Chunk(text)"),
    Wrong("test_generate_yields_chunks", YieldsBytes, "a Chunk whose text is a bytes"),
    Wrong("test_generate_says_something", Silent, "all chunks were empty"),
    Wrong("test_generate_ends_with_its_reason", ReasonInEach, "chunks followed the one that had it"),
    Wrong("test_generate_ends_with_its_reason", NoReason, "the last one had none; end with orbit.Chunk(finish"),
    Wrong("test_generate_passes_the_conversation_on", DropsSystem, "the system prompt did not reach the service"),
    Wrong("test_generate_passes_the_conversation_on", DropsAnswers, "the earlier answer did not reach the service"),
    Wrong("test_generate_passes_the_conversation_on", DropsHistory, "the earlier question did not reach the service"),
    Wrong("test_generate_passes_the_conversation_on", Sorts, "the messages reached the service in another order"),
    Wrong("test_generate_passes_the_conversation_on", DropsSystemUnseen, "a longer system prompt left usage.prompt"),
    Wrong("test_generate_passes_the_conversation_on", DropsHistoryUnseen, "a longer earlier question left usage"),
    Wrong("test_generate_passes_the_conversation_on", Repeats, "the answer repeats it without the system prompt"),
    Wrong("test_generate_keeps_thoughts_apart", ThinksInTags, "the answer was '<think>hm</think>Tell"),
    Wrong("test_generate_keeps_thoughts_apart", ThinksAloud, "with stream=True the answer was '<think>Zebras"),
    Wrong("test_generate_keeps_thoughts_apart", AnswersWithThoughts, "the answer was 'Zebras are pondered first."),
    Wrong("test_generate_tells_of_cut_answers", SwallowsCut, "the answer ended after 'Tell ' without an error"),
    Wrong("test_generate_side_by_side", KeepsMessages, "came 'Delta. Tell me in a few"),
    Wrong("test_generate_side_by_side", SharesWords, "keep what belongs to one call in local variables"),
    Wrong("test_generate_side_by_side", SendsAnothers, "the prompt that begins with 'Alfa' did not reach"),
    Wrong("test_generate_ends_with_its_reason", OwnReason, "it was 'eos_token'"),
    Wrong("test_generate_counts_usage", HalfTokens, "completion_tokens=0.5"),
    Wrong("test_generate_counts_usage", UsageIsDict, "it is a dict"),
    Wrong("test_generate_keeps_characters_whole", SplitsBytes, "U+FFFD"),
    Wrong("test_generate_keeps_characters_whole", SplitsPairs, "a chunk had half of one"),
    Wrong("test_generate_keeps_to_max_tokens", Chatters, "with max_tokens=2 it gave 10 words"),
    Wrong("test_generate_keeps_to_max_tokens", AlwaysStops, "it ended with 'stop' after 'Tell me' of 'Tell me in"),
    Wrong("test_generate_stops_at_stop_texts", Chatters, "with stop=('sentences',) it said"),
    Wrong("test_generate_gives_whole_answers_too", OnlyStreams, "nothing came"),
    Wrong("test_generate_leaves_messages_alone", Appends, "the call changed the list"),
    Wrong("test_generate_takes_any_conversation", NeedsWords, "IndexError: list index out of range (wrong_generators"),
    Wrong("test_generate_takes_huge_prompts", NeedsShort, "the call raised ValueError: prompt exceeds the context"),
    Wrong("test_generate_side_by_side", Alone, "at the same time raised RuntimeError: one at a time"),
    Wrong("test_generate_stops_when_closed", Produces, "the task 'producer'"),
    Wrong("test_generate_stops_when_closed", KeepsConnection, "after 8 streams, 8 connections more than before"),
    Wrong("test_generate_stops_when_closed", GoesOn, "closing it raised RuntimeError"),
    Wrong("test_generate_stops_when_closed", ClosesSlowly, "closing it took more than"),
    Wrong("test_generate_can_be_cancelled", Stubborn, "the call went on for"),
    Wrong("test_generate_can_be_cancelled", TurnsCancellation, "it became ProviderError"),
    Wrong("test_generate_can_be_cancelled", KeepsConnection, "connections were still open"),
    Wrong("test_generate_keeps_deadlines", Hasty, "the call raised ValueError: timeout must be positive"),
    Wrong("test_generate_leaves_the_loop_free", Blocks, "nothing else could run for"),
    Wrong("test_generate_leaves_nothing_running", Detaches, "the task 'counter' still ran"),
    Wrong("test_generate_while_down", Hopes, "the call returned []"),
    Wrong("test_generate_while_down", RaisesRaw, "the call raised ConnectionRefusedError"),
    Wrong("test_generate_while_down", GivesUp, "kind='failed' and retryable=False"),
    Wrong("test_generate_while_down", Hangs, "give requests to the service a timeout"),
    Wrong("test_count_tokens_measures_the_prompt", CountsNothing, "TokenCount(prompt=7, window=4096)"),
    Wrong("test_count_tokens_measures_the_prompt", CountsFirst, "count all messages, as generate would read them"),
    Wrong("test_count_tokens_measures_the_prompt", CountsLast, "a longer system prompt did not count more"),
    Wrong("test_count_tokens_measures_the_prompt", CountsToNumber, "it returned an int"),
)
