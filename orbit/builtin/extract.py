"""The plugin ``extract``: answers with the sentences of the passages that fit the question, without a model."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing, suppress
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orbit import (
    CallContext,
    Chunk,
    Document,
    GenerateOptions,
    Host,
    Message,
    Model,
    Need,
    Provider,
    ProviderError,
    TokenCount,
    Usage,
    hookimpl,
)
from orbit.builtin.quoting import Passage, flowing, quotations


class ExtractSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of an ``extract:`` section."""

    max_chars: Annotated[int, Meta(ge=50, description="Longest quotation, in characters.")] = 500
    max_quotations: Annotated[
        int, Meta(ge=1, description="Most quotations. Those after the first fit the question almost as well.")
    ] = 3
    introduction: Annotated[
        str,
        Meta(
            description="Text before a quotation; `{title}` is the title of its source with the headings above it. "
            "Empty for none."
        ),
    ] = "Quoted from {title}:"
    otherwise: Annotated[
        str, Meta(description="Provider instance that answers where there are no passages; empty for a fixed text.")
    ] = ""
    without_passages: Annotated[str, Meta(description="The fixed text where there are no passages.", min_length=1)] = (
        "I answer with quotations from documents, and I have none for this question."
    )


_NO_WINDOW = 2**31
_FIRST = re.compile(r'<passage number="(\d+)"')
"""The first passage of a prompt, whose number is above 1 if the client brings passages of its own."""
_KEPT = 4_096
"""Headings whose vectors are kept: with 384 numbers each, 6 MB."""


class Extract(Provider):
    """Quotes the best passage. What it says is in the documents, and its citation is right."""

    Settings = ExtractSettings
    settings: ExtractSettings

    def __init__(self, name: str, settings: msgspec.Struct, host: Host) -> None:
        """Store the arguments."""
        super().__init__(name, settings, host)
        self._vectors: dict[str, Any] = {}
        """Vectors of headings, which many questions find."""

    def needs(self) -> Iterable[Need]:
        """Return the provider that answers without passages."""
        return (Need("generate", self.settings.otherwise, setting="otherwise"),) if self.settings.otherwise else ()

    def validate(self) -> list[str]:
        """Refuse a section that would ask itself."""
        if self.settings.otherwise == self.name:
            return ["otherwise must name another section that generates, such as llama_cpp, or be empty."]
        return []

    def refuses_model(self, model: str) -> str:  # noqa: ARG002  # it refuses all
        """Refuse every model: there is none."""
        return "it has none."

    @hookimpl
    async def models(self, context: CallContext) -> Sequence[Model]:
        """Support what the provider supports that answers otherwise: it gets the turns that need more than text."""
        if not self.settings.otherwise:
            return [Model("")]
        models = await self.host.models(context, self.settings.otherwise)
        return [Model("", models[0].window, models[0].supports)] if models else [Model("")]

    @hookimpl
    async def count_tokens(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext
    ) -> TokenCount:
        """Count as the provider does that answers otherwise. A quotation itself has no window."""
        if self.settings.otherwise:
            offered = await self._readable(options, context)
            size = await self.host.count_tokens(messages, offered, context, self.settings.otherwise)
            if size is not None:
                return size
        return TokenCount(sum(len(message.content.split()) for message in messages), _NO_WINDOW)

    @hookimpl
    async def generate(
        self,
        question: str,
        documents: Sequence[Document],
        messages: Sequence[Message],
        options: GenerateOptions,
        context: CallContext,
    ) -> AsyncIterator[Chunk]:
        """Quote the documents that fit best. A token is a word."""
        offered = await self._readable(options, context)
        # Without its tools, a small model would make something up, unless the client sends more than a question.
        quotes = bool(documents) or (offered is not options and messages[-1].content == question)
        if self.settings.otherwise and not (quotes and _can_quote(messages, offered)):
            async with aclosing(
                self.host.generate(messages, offered, context, provider=self.settings.otherwise)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        numbered = _FIRST.search(messages[-1].content)
        pieces = await self._pieces(question, documents, context, int(numbered[1]) if numbered else 1)
        text = "".join(pieces)
        kept = min((place for stop in options.stop if (place := text.find(stop)) >= 0), default=len(text))
        words = said = 0
        for piece in pieces:
            shown = piece[: max(0, kept - said)]
            said += len(piece)
            if not shown:
                break
            before, words = words, words + len(shown.split())
            if options.max_tokens is not None and words > options.max_tokens:
                yield Chunk(_first_words(shown, options.max_tokens - before))
                yield Chunk(finish_reason="length", usage=Usage(completion_tokens=options.max_tokens))
                return
            yield Chunk(shown)
        yield Chunk(finish_reason="stop", usage=Usage(completion_tokens=words))

    async def _readable(self, options: GenerateOptions, context: CallContext) -> GenerateOptions:
        """Return the options without tools that need not be called and fill half of the other model's window.

        Chat pages offer dozens of tools with every question. A small model cannot read them, but documents answer.
        """
        optional = options.tool_choice is None or options.tool_choice.mode != "required"
        if not (self.settings.otherwise and options.tools and optional):
            return options
        size = await self.host.count_tokens([Message("user", "")], options, context, self.settings.otherwise)
        if size is None or size.prompt <= size.window // 2:
            return options
        return msgspec.structs.replace(options, tools=(), tool_choice=None, parallel_tool_calls=None)

    async def _pieces(
        self, question: str, documents: Sequence[Document], context: CallContext, first: int
    ) -> list[str]:
        """Return the answer's pieces. ``first`` is the number of the first document."""
        if not documents:
            return [self.settings.without_passages]
        named = [_named(document) for document in documents]
        alike = await self._likenesses(question, named, context)
        passages = [
            Passage(name, _body(document), document.score or 0.0, likeness)
            for name, document, likeness in zip(named, documents, alike, strict=True)
        ]
        pieces: list[str] = []
        before = ""
        for quotation in quotations(question, passages, self.settings.max_chars, self.settings.max_quotations):
            *quoted, last = map(_without_notes, flowing(quotation.units))
            introduction = self._introduction(named[quotation.place])
            pieces += ["\n\n"] if pieces else []
            pieces += [f"{introduction}\n\n"] if introduction and introduction != before else []
            block = "\n" in last.rstrip() or last.lstrip().startswith(("|", "```", "~~~"))
            pieces += [*quoted, last.rstrip(), "\n\n" if block else " ", f"[{quotation.place + first}]"]
            before = introduction
        return pieces or [documents[0].text]

    def _introduction(self, name: str) -> str:
        text = self.settings.introduction.replace("{title}", name) if name else ""
        return re.sub(r"(?<=[?!.:\u2026\uff1f]):$", "", text)  # headings may be questions

    async def _likenesses(self, question: str, headings: Sequence[str], context: CallContext) -> list[float]:
        """Return how similar each heading's vector is to the question's; 0 without an embedding model."""
        if len(headings) > 1 and self.host.embedding:
            known = {one: self._vectors[one] for one in headings if one in self._vectors}
            new = [one for one in dict.fromkeys(headings) if one not in known]
            with suppress(ProviderError):  # quoting works without
                # All as questions: these never wait behind an ingestion, and what is compared is read alike.
                asked, *vectors = await self.host.embed([question, *new], "query", context)
                known.update(zip(new, vectors, strict=True))
                self._vectors.update(known)
                while len(self._vectors) > _KEPT:
                    del self._vectors[next(iter(self._vectors))]
                return [float(asked @ known[one]) for one in headings]
        return [0.0] * len(headings)


def _can_quote(messages: Sequence[Message], options: GenerateOptions) -> bool:
    """Return whether a quotation can answer: not with tools, after a schema, about an image, or as a continuation."""
    last = messages[-1]
    return not options.tools and options.json_schema is None and last.role == "user" and not last.parts


def _named(document: Document) -> str:
    """Return the title of a passage's source with the headings above the passage."""
    title, heading = document.title or document.source, str(document.metadata.get("heading", ""))
    return " > ".join(filter(None, (title, heading if heading != title else "")))


def _body(document: Document) -> str:
    """Return a passage without the headings that ingestion puts before it, if more than they is left."""
    above, _, rest = document.text.partition("\n\n")
    heading = str(document.metadata.get("heading", ""))
    is_heading = "\n" not in above and (above in (document.title, heading) or (heading and above.endswith(heading)))
    return rest if is_heading and rest.strip() else document.text


def _without_notes(text: str) -> str:
    """Return a quotation whose own notes, such as ``[2]``, are none of the answer's citations: ``(2)``."""
    return text if text.lstrip().startswith(("```", "~~~")) else re.sub(r"(?<![\w)])\[(\d{1,4})\]", r"(\1)", text)


def _first_words(text: str, count: int) -> str:
    ends = [word.end() for word in re.finditer(r"\S+", text)][:count]
    return text[: ends[-1]] if ends else ""
