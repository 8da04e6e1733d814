"""The plugin ``extract``: answers with the sentences of the best passage that fit the question, without a model."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from typing import Annotated

import msgspec
from msgspec import Meta

from orbit import (
    CallContext,
    Chunk,
    Document,
    GenerateOptions,
    Message,
    Model,
    Need,
    Provider,
    TokenCount,
    Usage,
    hookimpl,
)
from orbit.builtin.quoting import best_part


class ExtractSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The keys of an ``extract:`` section."""

    max_chars: Annotated[int, Meta(ge=50, description="Longest quotation, in characters.")] = 500
    introduction: Annotated[
        str, Meta(description="Text before a quotation; `{title}` is the title of its source. Empty for none.")
    ] = "Quoted from {title}:"
    otherwise: Annotated[
        str, Meta(description="Provider instance that answers where there are no passages; empty for a fixed text.")
    ] = ""
    without_passages: Annotated[str, Meta(description="The fixed text where there are no passages.", min_length=1)] = (
        "I answer with quotations from documents, and I have none for this question."
    )


_NO_WINDOW = 2**31


class Extract(Provider):
    """Quotes the best passage. What it says is in the documents, and its citation is right."""

    Settings = ExtractSettings
    settings: ExtractSettings

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
            size = await self.host.count_tokens(messages, options, context, self.settings.otherwise)
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
        """Quote the first document. A token is a word."""
        if self.settings.otherwise and (not documents or not _can_quote(messages, options)):
            async with aclosing(
                self.host.generate(messages, options, context, provider=self.settings.otherwise)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        pieces = self._pieces(question, documents)
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

    def _pieces(self, question: str, documents: Sequence[Document]) -> list[str]:
        if not documents:
            return [self.settings.without_passages]
        best = documents[0]
        body = _body(best)
        quoted = best_part(question, body, [document.text for document in documents[1:]], self.settings.max_chars)
        quoted = [*quoted[:-1], quoted[-1].rstrip()] if quoted else [best.text]
        block = "\n" in quoted[-1] or quoted[-1].lstrip().startswith(("|", "```", "~~~"))
        title = best.title or best.source
        introduction = self.settings.introduction.replace("{title}", title) if title else ""
        return [*([f"{introduction}\n\n"] if introduction else []), *quoted, "\n\n[1]" if block else " [1]"]


def _can_quote(messages: Sequence[Message], options: GenerateOptions) -> bool:
    """Return whether a quotation can answer: not with tools, after a schema, about an image, or as a continuation."""
    last = messages[-1]
    return not options.tools and options.json_schema is None and last.role == "user" and not last.parts


def _body(document: Document) -> str:
    """Return a passage without the headings that ingestion puts before it, if more than they is left."""
    above, _, rest = document.text.partition("\n\n")
    heading = str(document.metadata.get("heading", ""))
    is_heading = "\n" not in above and (above in (document.title, heading) or (heading and above.endswith(heading)))
    return rest if is_heading and rest.strip() else document.text


def _first_words(text: str, count: int) -> str:
    ends = [word.end() for word in re.finditer(r"\S+", text)][:count]
    return text[: ends[-1]] if ends else ""
