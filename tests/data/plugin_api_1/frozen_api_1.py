"""A plugin as it was written for plugin API 1. It is never changed: it shows that such plugins go on working."""

import msgspec
import numpy as np

import orbit


class Frozen(orbit.Provider):
    """Has every hook, each with all the arguments that API 1 passes."""

    ORBIT_API = 1

    class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
        greeting: str = "Hello"

    async def __aenter__(self):
        self.kept = {}
        self.records = []
        return self

    async def __aexit__(self, kind, error, traceback):
        self.kept.clear()

    async def ready(self):
        assert self.host.data_dir.is_dir()

    async def health(self):
        return orbit.Health("ok", f"{len(self.kept)} collections")

    def validate(self):
        return [] if self.settings.greeting else ["greeting: say something."]

    @orbit.hookimpl
    async def generate(self, messages, options, context):
        yield orbit.Chunk(f"{self.settings.greeting}, {messages[-1].content}")
        yield orbit.Chunk(finish_reason="stop", usage=orbit.Usage(1, 2))

    @orbit.hookimpl
    async def count_tokens(self, messages, context):
        return orbit.TokenCount(prompt=len(messages), window=4096)

    @orbit.hookimpl
    async def embed(self, texts, kind, context):
        return np.ones((len(texts), 3), dtype=np.float32)

    @orbit.hookimpl
    async def retrieve(self, query, limit, context):
        return self.kept.get(query.collection, [])[:limit]

    @orbit.hookimpl
    async def index(self, collection, documents, context):
        self.kept[collection] = list(documents)
        return len(documents)

    @orbit.hookimpl
    async def drop(self, collection, context):
        return self.kept.pop(collection, None) is not None

    @orbit.hookimpl
    async def list_sources(self, collection, context):
        return {document.source: document.digest for document in self.kept.get(collection, [])}

    @orbit.hookimpl
    async def list_collections(self, context):
        return [orbit.Collection(name, len(documents)) for name, documents in self.kept.items()]

    @orbit.hookimpl
    async def rerank(self, query, documents, limit, context):
        return list(documents)[:limit]

    @orbit.hookimpl
    async def moderate(self, stage, messages, context):
        return orbit.Verdict(allowed=True)

    @orbit.hookimpl
    async def log(self, record, context):
        self.records.append(record)

    @orbit.hookimpl
    def register_routes(self):
        from litestar import get

        @get("/greeting")
        async def greeting() -> str:
            return self.settings.greeting

        return [greeting]

    @orbit.hookimpl
    def register_commands(self, group):
        import click

        @group.command()
        def greet():
            click.echo(self.settings.greeting)
