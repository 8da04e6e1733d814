"""The conversation of a request, whatever its protocol: collected message by message, checked, and split for a turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from orbit.auth.keys import Identity
from orbit.chat.turn import Turn
from orbit.types import CallContext, File, GenerateOptions, Image, Message, Part, Text, Thought, ToolCall
from orbit.web.wires.attachments import BadAttachment, data_of, file_of, image_of, unpacked
from orbit.web.wires.checks import ParameterError
from orbit.web.wires.fetching import fetch

_REMOTE: Final = ("http://", "https://")


class Conversation(msgspec.Struct, frozen=True):
    """A conversation: system messages, the turns before the question, the question, and the messages after it.

    ``attached`` counts the characters of images and files in the request. ``remote`` are the addresses of images that
    are to be fetched, each with its place in the request; until then the image has no data, and its address as type.
    ``fresh`` are the messages that the request itself brings, in a conversation that the server keeps.
    """

    system: str
    history: tuple[Message, ...]
    question: Message
    later: tuple[Message, ...]
    attached: int = 0
    remote: tuple[tuple[str, str], ...] = ()
    fresh: tuple[Message, ...] = ()

    async def fetched(self, hosts: Sequence[str], limit: int) -> Conversation:
        """Return the conversation with its images, fetched from ``hosts``: up to ``limit`` bytes.

        Raises ParameterError.
        """
        images: dict[str, Image] = {}
        room = limit
        for url, where in self.remote:
            try:
                if url not in images:
                    data = await fetch(url, hosts, room)
                    images[url] = image_of(data)
                    room -= len(data)
            except BadAttachment as error:
                raise ParameterError(where, f"The image cannot be used: {error}") from error
        return self._with_images(images)

    def turn(
        self, identity: Identity, context: CallContext, options: GenerateOptions, model: str, *, thoughts: bool
    ) -> Turn:
        """Return the turn: the key's prompt first, then the client's own system messages.

        ``model`` is what the client asked for. ``thoughts`` says whether the client reads the model's.
        """
        prompt = identity.prompt
        return Turn(
            self.question.content,
            context,
            prompt.prompt if prompt else None,
            prompt.id if prompt else None,
            prompt.version if prompt else None,
            client_system=self.system,
            history=self.history,
            options=options,
            parts=self.question.parts,
            later=self.later,
            thoughts=thoughts,
            model=model,
        )

    def _with_images(self, images: Mapping[str, Image]) -> Conversation:
        def filled(message: Message) -> Message:
            parts = tuple(
                [
                    msgspec.structs.replace(images[part.media_type], detail=part.detail)
                    if isinstance(part, Image) and not part.data
                    else part
                    for part in message.parts
                ]
            )
            return msgspec.structs.replace(message, parts=parts)

        history, later, fresh = (tuple(map(filled, some)) for some in (self.history, self.later, self.fresh))
        return Conversation(self.system, history, filled(self.question), later, self.attached, fresh=fresh)


class Collector:
    """Collects the messages of a request in order. ``where`` is a message's place in the request, for errors.

    ``fetches``: images may have addresses on other servers.
    """

    def __init__(self, *, fetches: bool) -> None:
        self._fetches = fetches
        self._system: list[str] = []
        self._turns: list[Message] = []
        self._missing: list[str] = []
        """Calls whose results have to follow."""
        self._remote: list[tuple[str, str]] = []
        self._attached = 0
        self._earlier: tuple[int, int] = (0, 0)
        """System messages and turns that the server has kept."""

    def earlier(self, messages: Iterable[Message]) -> None:
        """Take the messages of a conversation that the server has kept, before those of the request."""
        for message in messages:
            if message.role == "system":
                self._system.append(message.content)
                continue
            self._turns.append(message)
            if message.role == "tool":
                self._missing.remove(message.tool_call_id)
            else:
                self._missing = [call.id for call in message.tool_calls]
        self._earlier = (len(self._system), len(self._turns))

    def system(self, text: str, where: str) -> None:
        """Take instructions."""
        self._check_answered(where)
        self._system.append(text)

    def user(self, text: str, parts: tuple[Part, ...], where: str) -> None:
        """Take a question."""
        self._check_answered(where)
        self._turns.append(Message("user", text, parts))

    def answer(self, text: str, calls: tuple[ToolCall, ...], where: str, *, thoughts: tuple[Thought, ...] = ()) -> None:
        """Take an answer. An empty one is left out with its question: model servers refuse an empty answer to it."""
        self._check_answered(where)
        if not all(call.id and call.name for call in calls):
            raise ParameterError(where, "A tool call must have an id and a name.")
        if calls or text.strip():
            self._missing = [call.id for call in calls]
            self._turns.append(Message("assistant", text, tool_calls=calls, thoughts=thoughts if calls else ()))
        elif self._turns and self._turns[-1].role == "user":
            self._turns.pop()

    def result(self, call_id: str | None, text: str, parts: tuple[Part, ...], where: str) -> None:
        """Take the result of a tool; ``where`` is the place of its call's id. Crosses the call off."""
        if call_id not in self._missing:
            detail = "The result of a tool must follow the answer that called it, and name the call by its id"
            known = f": {', '.join(self._missing)}." if self._missing else "."
            raise ParameterError(where, detail + known)
        self._missing.remove(call_id)
        self._turns.append(Message("tool", text, parts, tool_call_id=call_id))

    def image(self, url: str, where: str, detail: str = "") -> Image:
        """Return an image by its data URL, or by its address, to be fetched later. Raises BadAttachment."""
        if self._fetches and url[:8].lower().startswith(_REMOTE):
            self._remote.append((url, where))
            return Image(b"", url, detail)
        if url[:5].lower() != "data:":
            raise BadAttachment("this server fetches no images. Send its data in base64.")
        self._attached += len(url)
        data, _ = data_of(url)
        return image_of(data, detail)

    def encoded_image(self, data: str) -> Image:
        """Return an image in base64. Raises BadAttachment."""
        self._attached += len(data)
        return image_of(unpacked(data))

    def file(self, data: str, name: str) -> File:
        """Return a file as a data URL or in base64. Raises BadAttachment."""
        self._attached += len(data)
        return file_of(data, name)

    def conversation(self, where: str) -> Conversation:
        """Return the conversation, split at the last question. ``where`` is the place of the last message."""
        self._check_answered(where)
        turns = self._turns
        asked = len(turns) - 1
        while asked >= 0 and turns[asked].role != "user":
            asked -= 1
        if asked < 0 or not (turns[asked].content.strip() or turns[asked].parts):
            raise ParameterError("messages", "There must be a user's question, and it must not be empty.")
        history, later = tuple(turns[:asked]), tuple(turns[asked + 1 :])
        system, turn = self._earlier
        fresh = (*[Message("system", text) for text in self._system[system:]], *turns[turn:])
        remote = tuple(self._remote)
        return Conversation("\n\n".join(self._system), history, turns[asked], later, self._attached, remote, fresh)

    def _check_answered(self, where: str) -> None:
        """Raise ParameterError if something follows calls that lack their results."""
        if self._missing:
            detail = f"The calls of tools must be followed by their results. Missing: {', '.join(self._missing)}."
            raise ParameterError(where, detail)


def in_order(parts: Iterable[Part], between: str = "") -> tuple[str, tuple[Part, ...]]:
    """Return the whole text of a message's parts, and the parts themselves if not all are text."""
    found = tuple(parts)
    texts = [part.text for part in found if isinstance(part, Text)]
    return between.join(texts), () if len(texts) == len(found) else found
