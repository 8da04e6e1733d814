"""A configuration as it stands somewhere, really served: addresses lead to stand-ins that note who asked them what."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import onnx_models
from anthropic_kit import served_wire as served_anthropic
from certificates import Pair
from elasticsearch_wire import FakeElasticsearch
from gguf_models import write_decoder, write_embedder
from mcp_kit import process
from mongo_server import MongoServer
from ollama_kit import served_wire as served_ollama
from openai_kit import served_wire as served_openai
from postgres_kit import PostgresServer
from ruamel.yaml import YAML

from orbit import CallContext, Document, Provider
from orbit.config.model import HostConfig
from orbit.testing import RunningServer, serve

PASSAGES = ("The library opens at nine on Saturdays.", "The library opens at ten on Sundays.")
QUESTION = PASSAGES[0]
CONTEXT = CallContext("composition")
COLLECTION = "handbook"
SECRETS = {
    "VLLM_API_KEY": "secret-of-vllm",
    "EXAMPLE_API_KEY": "secret-of-example",
    "ELASTICSEARCH_API_KEY": "",
    "PGVECTOR_PASSWORD": "secret",
}
HOST_SECTIONS = {field.name for field in msgspec.structs.fields(HostConfig)}
DEFAULT_URLS = {
    "ollama": "http://localhost:11434",
    "openai": "http://localhost:8000/v1",
    "anthropic": "https://api.anthropic.com",
}
STORES = {"chroma", "pgvector"}
"""Stores that embed."""

SERVED: dict[str, Any] = {"ollama": served_ollama, "openai": served_openai, "anthropic": served_anthropic}

Sections = dict[str, dict[str, Any]]


class Seen(msgspec.Struct):
    """Who did what during one server's life: instance -> how often.

    ``strays`` are requests that no section could have meant: another server, or another model than its own.
    """

    answered: Counter[str] = msgspec.field(default_factory=Counter)
    embedded: Counter[str] = msgspec.field(default_factory=Counter)
    judged: Counter[str] = msgspec.field(default_factory=Counter)
    reranked: Counter[str] = msgspec.field(default_factory=Counter)
    strays: list[str] = msgspec.field(default_factory=list)
    logged_in_files: int = 0
    logged_in_elasticsearch: dict[str, int] = msgspec.field(default_factory=dict)
    reply: dict[str, Any] = msgspec.field(default_factory=dict)
    prompts: list[str] = msgspec.field(default_factory=list)


def says(label: str) -> Any:
    """What a stand-in answers: a verdict to a judge's question, a score to a reranker's, else who it is."""

    def reply(body: dict[str, Any]) -> str:
        role = role_of(body)
        passages = str(body["messages"][-1]["content"]).count("<passage number=")
        scores = str([9 - number for number in range(passages)]) if passages else "7"
        safe = "false" if "bomb" in str(body["messages"][-1]["content"]) else "true"
        return {"judged": f"SAFE: {safe}", "reranked": scores}.get(role, f"answer of {label}")

    return reply


def role_of(body: Mapping[str, Any]) -> str:
    """What a chat request is for, by the instructions in it."""
    said = str(body.get("system") or body["messages"][0]["content"])
    if said.startswith("You are the safety judge"):
        return "judged"
    return "reranked" if said.startswith("You judge search results") else "answered"


class World:
    """All that configurations may name. Stand-ins are kept from one configuration to the next."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.served = 0
        self.tiny = True
        """Whether a tiny random model takes the place of a package's."""
        self._stack = ExitStack()
        self._wires: dict[str, list[Any]] = {plugin: [] for plugin in SERVED}
        self._elastic: list[FakeElasticsearch] = []
        self._chroma = 0
        self._mongo = ""
        self._postgres: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def decoder(self) -> Path:
        """A tiny model that writes noise."""
        path = self.folder / "tiny.gguf"
        return path if path.exists() else write_decoder(path, "llama")

    @property
    def embedder(self) -> Path:
        """A tiny model that embeds."""
        path = self.folder / "tiny-embedder.gguf"
        return path if path.exists() else write_embedder(path)

    def secrets(self, text: str) -> dict[str, str]:
        """What the variables in a configuration hold."""
        return {**SECRETS, "MONGODB_URI": self.mongo} if "mongodb" in text else SECRETS

    @property
    def mongo(self) -> str:
        """The address of a MongoDB-wire server."""
        if not self._mongo:
            folder = self.folder / "mongo"
            folder.mkdir()
            self._mongo = self._stack.enter_context(MongoServer(folder)).uri
        return self._mongo

    @property
    def postgres(self) -> dict[str, Any]:
        """Settings that lead to a real PostgreSQL with pgvector."""
        if not self._postgres:
            self._postgres = self._stack.enter_context(PostgresServer()).section
        return self._postgres

    @property
    def chroma_port(self) -> int:
        """The port of a real Chroma server."""
        if not self._chroma:
            self._chroma = self._stack.enter_context(chroma_server(self.folder / "chroma-server"))
        return self._chroma

    def parse(self, text: str) -> dict[str, Any]:
        """Read a configuration; its variables have values of our own."""
        values = self.secrets(text)
        text = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda found: values.get(found[1], found[2]), text)
        loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(text) or {}
        return loaded

    def ask(
        self,
        config: Mapping[str, Any],
        plugins: Mapping[str, type[Provider]] | None = None,
        *,
        collection: str | None = COLLECTION,
        store: str = "",
        question: str = QUESTION,
    ) -> Seen:
        """Serve a configuration, put the passages into its store, ask a question, and say who did what."""
        self.served += 1
        folder = self.folder / str(self.served)
        folder.mkdir()
        settled = Settled(self, json.loads(json.dumps(config)), folder)
        if not {*STORES, "lexical", "markdown"} & {
            plugin_of(name, values) for name, values in settled.sections.items()
        }:
            collection = None  # a key with a collection that nobody can search is refused
        seen = Seen()
        with serve(settled.config, folder / "data", plugins, collection) as server:
            if server.services.host.roles.index:
                documents = [Document(str(n), text, source="opening.md") for n, text in enumerate(PASSAGES)]
                server.call(server.services.host.index(store or collection or COLLECTION, documents, CONTEXT))
            headers = {"X-API-Key": server.key}
            body = {"message": question, "stream": False}
            url = server.https_url or server.url
            answer = httpx.post(f"{url}/chat", json=body, headers=headers, timeout=60, verify=False)
            assert answer.status_code == 200, answer.text
            seen.reply = answer.json()
            settled.read_engines(server, seen)
        settled.read(seen)
        return seen

    def wire(self, plugin: str, number: int) -> Any:
        """Return one stand-in for a model server, made when needed."""
        wires = self._wires[plugin]
        while len(wires) <= number:
            wires.append(self._stack.enter_context(SERVED[plugin]()))
        return wires[number]

    def elastic(self, number: int) -> FakeElasticsearch:
        """Return one stand-in for Elasticsearch, made when needed, empty."""
        while len(self._elastic) <= number:
            self._elastic.append(self._stack.enter_context(FakeElasticsearch()))
        wire = self._elastic[number]
        wire.indices.clear()
        wire.streams.clear()
        return wire


class Settled:
    """A configuration whose addresses and paths lead to what there is here."""

    def __init__(self, world: World, config: dict[str, Any], folder: Path) -> None:
        self.config = config
        self._world = world
        self._folder = folder
        self._wires: dict[tuple[str, str], Any] = {}
        self._meant: dict[int, dict[str, str]] = {}
        """For each stand-in (by its id): model -> the section that has it."""
        self._elastic: dict[str, FakeElasticsearch] = {}
        self.sections: Sections = {
            name: values if isinstance(values, dict) else {}
            for name, values in config.items()
            if name not in HOST_SECTIONS and (not isinstance(values, dict) or values.get("enabled", True))
        }
        config.update(self.sections)
        for name, section in self.sections.items():
            self._settle(name, section.get("use", name), section)
        self._settle_host()

    def _settle(self, name: str, plugin: str, section: dict[str, Any]) -> None:
        if plugin in DEFAULT_URLS:
            self._settle_models(name, plugin, section)
        elif plugin == "llama_cpp":
            path = str(section.get("model_path", ""))
            if "embed" in path:
                section["model_path"] = str(self._world.embedder)
            elif self._world.tiny and path.startswith("package:"):
                section |= {"model_path": str(self._world.decoder), "n_ctx": 1024}
            section |= {"max_tokens": 8, "n_threads": 1}
        elif plugin in STORES:
            self._settle_store(name, plugin, section)
        elif plugin == "onnx":
            for setting, write in (
                ("model", onnx_models.write_embedder),
                ("reranker", onnx_models.write_cross_encoder),
            ):
                if "/" in section.get(setting, ""):
                    section[setting] = str(write(self._folder / name / setting))
        elif plugin == "elasticsearch":
            wire = self._elastic[name] = self._world.elastic(len(self._elastic))
            section |= {"node": wire.url, "batch_seconds": 0.05}
            section.pop("nodes", None)
        elif plugin == "mcp":
            section["servers"] = {server: process() for server in section.get("servers", {})}
        elif plugin == "safety" and section.get("block_file"):
            (self._folder / "blocked.txt").write_text("never this\n")
            section["block_file"] = str(self._folder / "blocked.txt")
        elif plugin == "markdown":
            section["folder"] = str(self._folder / "markdown")
            (self._folder / "markdown").mkdir()
            (self._folder / "markdown" / "opening.md").write_text("\n\n".join(PASSAGES))

    def _settle_store(self, name: str, plugin: str, section: dict[str, Any]) -> None:
        if plugin == "pgvector":
            section |= {**self._world.postgres, "schema": f"{name}_{self._world.served}"}
        elif section.get("host"):
            section |= {"host": "127.0.0.1", "port": self._world.chroma_port}
            forget_collections(self._world.chroma_port)

    def _settle_models(self, name: str, plugin: str, section: dict[str, Any]) -> None:
        urls = section.get("base_url") or DEFAULT_URLS[plugin]
        models = [section[setting] for setting in ("model", "embed_model") if section.get(setting)]
        settled = []
        for url in [urls] if isinstance(urls, str) else urls:
            known = self._wires.get((plugin, url))
            if known is None:
                number = sum(1 for other, _ in self._wires if other == plugin)
                known = self._wires[plugin, url] = self._world.wire(plugin, number)
                known.requests.clear()
                known.models = []
                known.reply = says(url)
                if plugin != "ollama":
                    known.api_key = section.get("api_key", "")
            names = [model if plugin != "ollama" or ":" in model else f"{model}:latest" for model in models]
            known.models = [*known.models, *names]
            self._meant.setdefault(id(known), {}).update(dict.fromkeys(models, name))
            settled.append(known.url)
        section["base_url"] = settled[0] if isinstance(urls, str) else settled
        section["retry_delay"] = 0

    def _settle_host(self) -> None:
        config, folder = self.config, self._folder
        config["general"] = {**config.get("general", {}), "data_dir": str(folder / "data")}
        logging = config["logging"] = {**config.get("logging", {})}
        logging["file"] = {**logging.get("file", {}), "directory": str(folder / "logs")}
        if https := config["general"].get("https"):
            pair = Pair(folder)
            config["general"]["https"] = {**https, "cert_file": str(pair.chain), "key_file": str(pair.key)}
        if config.get("mongodb", {}).get("enabled", "mongodb" in config):
            config["mongodb"] = {
                **config["mongodb"],
                "uri": self._world.mongo,
                "database": f"orbit{self._world.served}",
            }

    def read_engines(self, server: RunningServer, seen: Seen) -> None:
        """Note what llama.cpp's engines did: they have no wire to listen to."""
        for name, section in self.sections.items():
            if section.get("use", name) == "llama_cpp":
                figures = server.call(_stats(server.provider(name)))
                if figures.embedded_texts:
                    seen.embedded[name] += figures.embedded_texts
                elif figures.requests:
                    seen.answered[name] += figures.requests

    def read(self, seen: Seen) -> None:
        """Note what the stand-ins were asked, and what the logs have."""
        for wire in self._wires.values():
            meant = self._meant[id(wire)]
            for request in wire.requests:
                section = meant.get(str(request.body.get("model", "")))
                embedding = request.path.endswith(("/embed", "/embeddings"))
                counting = request.path.endswith("/count_tokens")
                if counting or ("messages" not in request.body and not embedding):
                    continue
                role = "embedded" if embedding else role_of(request.body)
                if section is None:
                    seen.strays.append(f"{role} {request.path} model {request.body.get('model')!r}")
                    continue
                getattr(seen, role)[section] += 1
                if role == "answered":
                    seen.prompts.append(str(request.body["messages"][-1]["content"]))
        lines = [line for path in (self._folder / "logs").glob("*.log") for line in path.read_bytes().splitlines()]
        seen.logged_in_files = len(lines)
        seen.logged_in_elasticsearch = {name: len(wire.all_documents()) for name, wire in self._elastic.items()}


async def _stats(provider: Any) -> Any:
    return await provider.stats()


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with what it lacks to be served and asked: who answers, embeds, stores or judges."""
    made = dict(config)
    sections = {name: values or {} for name, values in config.items() if name not in HOST_SECTIONS}
    for section in sections.values():
        judge = section.get("provider") if isinstance(section, dict) else ""
        if judge and judge not in made:
            made[judge] = {"use": "ollama", "model": "gemma3:12b"}
            general = made.get("general", {})
            if any(can(other, values, "generate") for other, values in sections.items()):
                continue
            made["echo"] = {}
            made["general"] = {"inference_provider": "echo", **general}
    if not any(can(name, values, "generate") for name, values in made.items()):
        made["echo"] = {}
    embeds = any(can(name, values, "embed") for name, values in made.items())
    stores = any(plugin_of(name, values) in STORES for name, values in made.items())
    reranks = any(
        plugin_of(name, values) == "reranker" or "reranker" in (values or {}) for name, values in made.items()
    )
    if (stores or reranks) and not embeds:
        made["wordllama"] = {}
    if (embeds or reranks) and not stores:
        made["chroma"] = {}
    return made


def plugin_of(name: str, values: Any) -> str:
    """The plugin of a section; empty for the host's own, and for what is switched off."""
    if name in HOST_SECTIONS or (isinstance(values, dict) and not values.get("enabled", True)):
        return ""
    return str((values or {}).get("use", name))


def can(name: str, values: Any, hook: str) -> bool:
    """Whether a section can do something: what each plugin's documentation says of its settings."""
    plugin, values = plugin_of(name, values), values or {}
    if plugin in DEFAULT_URLS:
        return bool(values.get("embed_model" if hook == "embed" else "model"))
    if plugin == "llama_cpp":
        return ("embed" in str(values.get("model_path", ""))) == (hook == "embed")
    if plugin == "onnx":
        return hook == "embed" and bool(values.get("model", "minilm"))
    return plugin in {"generate": ("echo", "extract", "hello"), "embed": ("wordllama",)}[hook]


def expect(seen: Seen, config: Mapping[str, Any]) -> None:
    """Assert that everything was done by the instance that the configuration means, and by nobody else."""
    general = config.get("general", {})
    plugins = {name: plugin_of(name, values) for name, values in config.items()}
    answers = general.get("inference_provider") or only(config, "generate")
    embeds = general.get("embedding_provider") or only(config, "embed", answers)
    assert seen.strays == []
    blocked = seen.reply["finish_reason"] == "content_filter"
    if not blocked:
        assert seen.reply["metadata"]["provider"] == answers
    retrieves = {*STORES, "lexical", "markdown"} & set(plugins.values())
    if retrieves and not blocked:
        assert seen.reply["sources"], "nothing was found"
    judges = {
        instance_of((config[name] or {}).get("provider"), config) or answers
        for name, plugin in plugins.items()
        if plugin == "safety" and (config[name] or {}).get("mode") != "disabled"
    }
    scorers = {
        instance_of((config[name] or {}).get("provider"), config) or answers
        for name, plugin in plugins.items()
        if plugin == "reranker"
    }
    assert blocked <= bool({plugins[name] for name in judges} & {"echo", "extract", "llama_cpp"}), (
        "a judge's verdict was not heard"
    )
    engines = {name for name, plugin in plugins.items() if plugin == "llama_cpp"}
    heard = {name for name, plugin in plugins.items() if plugin in DEFAULT_URLS}
    if not retrieves:  # it quotes passages, and there are none
        answers = (config.get(answers) or {}).get("otherwise") or answers
    if blocked:
        scorers, answers = set(), ""
    assert set(seen.answered) == ({answers} & (heard | engines)) | ((judges | scorers) & engines)
    assert set(seen.judged) == judges & heard
    assert set(seen.reranked) == scorers & heard
    if STORES & set(plugins.values()):
        assert set(seen.embedded) == {embeds} & (heard | engines)
    assert all(QUESTION in prompt for prompt in seen.prompts)
    if retrieves:
        assert all(PASSAGES[1] in prompt for prompt in seen.prompts), "the passages did not reach the model"
    assert seen.logged_in_files == 1
    assert seen.logged_in_elasticsearch == {name: 1 for name, plugin in plugins.items() if plugin == "elasticsearch"}


def instance_of(name: str | None, config: Mapping[str, Any]) -> str:
    """The instance that a name means: the first one of a model, or itself."""
    model = config.get("models", {}).get(name)
    provider = model["provider"] if isinstance(model, dict) else name
    return str(provider[0] if isinstance(provider, list) else provider or "")


def only(config: Mapping[str, Any], hook: str, preferred: str = "") -> str:
    """The one section that can do something."""
    able = [name for name, values in config.items() if can(name, values, hook)]
    if preferred in able:
        return preferred
    assert len(able) <= 1, f"several can {hook}: {able}"
    return able[0] if able else ""


def fenced(text: str) -> Iterator[tuple[int, str]]:
    """Return the YAML blocks of a page, each with its line."""
    for found in re.finditer(r"^```ya?ml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text[: found.start()].count("\n") + 1, found[1]


def forget_collections(port: int) -> None:
    """Empty a Chroma server."""
    collections = f"http://127.0.0.1:{port}/api/v2/tenants/default_tenant/databases/default_database/collections"
    for collection in httpx.get(collections).raise_for_status().json():
        httpx.delete(f"{collections}/{collection['name']}").raise_for_status()


@contextmanager
def chroma_server(folder: Path) -> Iterator[int]:
    """``chroma run`` on a free port."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder), "--host", "127.0.0.1"]
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        for _ in range(600):
            try:
                httpx.get(f"http://127.0.0.1:{port}/api/v2/heartbeat").raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                break
        yield port
    finally:
        process.kill()
        process.wait()
