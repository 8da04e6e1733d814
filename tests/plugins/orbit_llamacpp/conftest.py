"""Doubles and short forms for the tests of the llama.cpp plugin."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import gguf_models
import pytest
import pytest_asyncio
from orbit_llamacpp import LlamaCppProvider, LlamaCppSettings
from orbit_llamacpp.engine.chat_template import ChatTemplate
from orbit_llamacpp.engine.model import Model

from orbit.types import CallContext, Chunk, GenerateOptions, Message


def make(**settings: Any) -> LlamaCppProvider:
    settings.setdefault("n_threads", 1)  # two threads would spin for each other on a busy machine
    return LlamaCppProvider("llama_cpp", LlamaCppSettings(**settings), None)  # type: ignore[arg-type]  # asks nothing of the host


def conversation(question: str) -> list[Message]:
    return [Message("system", "You are a helpful assistant."), Message("user", question)]


class Asker:
    """Asks a started provider, as the host would."""

    def __init__(self, provider: LlamaCppProvider) -> None:
        self.provider = provider

    def stream(self, question: str | list[Message], key: str = "", **options: Any) -> AsyncIterator[Chunk]:
        messages = conversation(question) if isinstance(question, str) else question
        return self.provider.generate(messages, GenerateOptions(**options), CallContext("test", key_id=key))

    async def chunks(self, question: str | list[Message], **options: Any) -> list[Chunk]:
        return [chunk async for chunk in self.stream(question, **options)]

    async def text(self, question: str | list[Message], **options: Any) -> str:
        return "".join(chunk.text for chunk in await self.chunks(question, **options))

    async def count(self, question: str) -> int:
        return (await self.provider.count_tokens(conversation(question), GenerateOptions())).prompt


@pytest.fixture(name="make", scope="session")
def make_provider() -> Callable[..., LlamaCppProvider]:
    """Makes a provider that is not started."""
    return make


@pytest.fixture(scope="session")
def gguf() -> ModuleType:
    """Writes GGUF files: ``write_gguf``, ``write_decoder``, ``write_embedder``."""
    return gguf_models


@pytest.fixture(scope="session")
def templates() -> dict[str, str]:
    """Chat templates in the shapes that models come with, by name."""
    return {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.glob("chat_templates/*.jinja")}


class Reader:
    """Reads prompts as a model does that has a given template."""

    def __init__(self, model: Model, **settings: Any) -> None:
        self._model = model
        self.template = ChatTemplate(model, LlamaCppSettings(**settings))

    def read(self, messages: list[Message]) -> str:
        tokens = self.template.prompt(messages).tokens
        return b"".join(self._model._render(token, special=True) for token in tokens).decode()


@pytest.fixture
def reader(gguf: Any, templates: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Reader]]:
    """Makes a reader of a model with a template of that name, or that text."""
    models: list[Model] = []

    def make_reader(template: str | None, **settings: Any) -> Reader:
        source = template and templates.get(template, template)
        path = gguf.write_decoder(tmp_path / f"{len(models)}.gguf", "llama", template=source)
        models.append(Model(path, LlamaCppSettings()))
        return Reader(models[-1], **settings)

    yield make_reader
    for model in models:
        model.close()


@pytest.fixture(name="asker", scope="session")
def make_asker() -> type[Asker]:
    """Asks a provider that the test has started itself."""
    return Asker


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def smollm() -> AsyncIterator[Asker]:
    """A real small model, greedy, for the tests of one module."""
    async with make(n_ctx=256, temperature=0.0, max_tokens=48) as provider:
        yield Asker(provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tiny(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asker]:
    """A tiny random model: what it says is noise, and always the same noise."""
    path = gguf_models.write_decoder(tmp_path_factory.mktemp("model") / "tiny.gguf", "llama")
    async with make(model_path=str(path), n_ctx=512, temperature=0.0, max_tokens=48) as provider:
        yield Asker(provider)
