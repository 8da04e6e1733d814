"""Models: the one that answers, the one that embeds, the judge and the reranker."""

from __future__ import annotations

from typing import Any

from orbit.config.earlier.hosted import anthropic_settings, elsewhere_settings, ollama_settings, openai_settings
from orbit.config.earlier.names import (
    GATEWAY,
    GATEWAYS,
    LLAMA_CPP_DROPPED,
    OLLAMA_DROPPED,
    OLLAMA_LIKE,
    OPENAI_COMPATIBLE,
)
from orbit.config.earlier.retrieval import RetrievalPlan
from orbit.config.earlier.translation import MISSING, Translation, is_on

_OWN = ("llama_cpp", "ollama", "openai")
_KNOWN = {*_OWN, *OPENAI_COMPATIBLE, *OLLAMA_LIKE, *GATEWAYS, "azure"}
_OLLAMA = "http://localhost:11434"


def translate_models(translation: Translation, plan: RetrievalPlan, *, earlier: bool) -> None:
    """Translate the providers of models, and the sections that name them."""
    Models(translation, earlier=earlier).translate(plan)


class Models:
    """The providers of one file. Those that no role needs go: each would be an instance of its own now."""

    def __init__(self, translation: Translation, *, earlier: bool) -> None:
        self._translation = translation
        self._earlier = earlier
        self._presets = {
            kind: translation.section(f"{kind}_presets") for kind in ("ollama", "llama_cpp")
        }  # of the later editions

    def translate(self, plan: RetrievalPlan) -> None:
        """Translate all providers."""
        translation = self._translation
        self._top_level_vllm()
        self._unused()
        for kind in ("ollama", "llama_cpp"):
            translation.take(f"{kind}_presets")
        self._named()
        for path in ("ollama", "llama_cpp", "openai", "inference.ollama", "inference.llama_cpp", "inference.openai"):
            self._in_place(path)
        self._chosen()
        self._embeddings(plan)
        self._judge("safety", ("moderator", "provider_override"), ("moderators", "moderations"))
        self._judge("reranker", ("provider_override",), ("rerankers",))
        for name in ("moderators", "moderations", "rerankers"):
            if not translation.claimed(name):
                translation.take(name)

    def _top_level_vllm(self) -> None:
        """Translate ``vllm:`` at the top level, which the first edition had; it answered only if asked to."""
        section = self._translation.section("vllm")
        chosen = self._translation.get("general.inference_provider")
        if not section or self._translation.claimed("vllm") or (not self._earlier and chosen in (MISSING, None, "")):
            return
        self._translation.take("vllm")
        if chosen == "vllm":
            self._translation.data.setdefault("inference", {})["vllm"] = section
        else:
            self._translation.note("general", "vllm is not used: general.inference_provider is another.")

    def _unused(self) -> None:
        """Remove the providers that no role uses."""
        translation = self._translation
        inference = translation.section("inference")
        chosen = translation.get("general.inference_provider")
        if self._earlier and inference and chosen in (MISSING, None, ""):
            chosen = "ollama" if "ollama" in inference else next(iter(inference))
            translation.put("general.inference_provider", chosen)
        unused = []
        for name, section in inference.items():
            if name == chosen or (isinstance(section, dict) and "use" in section):
                continue
            if name in _KNOWN if self._earlier else name in _KNOWN - set(_OWN) and not translation.claimed(name):
                unused.append(name)
        for name in unused:
            del inference[name]
        if unused:
            names = ", ".join(unused)
            translation.note("general", f"general.inference_provider is {chosen}; not used: inference.{{{names}}}.")

    def _in_place(self, path: str) -> None:
        """Translate a section that keeps its name."""
        translation, kind = self._translation, path.rpartition(".")[2]
        section = translation.section(path)
        if not section:
            return
        preset = section.pop("use_preset", None)
        if preset is not None:
            found = self._presets.get(kind, {}).get(preset)
            section.update({key: value for key, value in (found or {}).items() if key not in section})
            became = "is written out" if found else "names no preset, and has no effect"
            translation.note(path, f"{path}.use_preset '{preset}' {became}.")
        if kind == "ollama":
            translation.drop(path, OLLAMA_DROPPED if self._earlier else ("summarization",))
        elif kind == "llama_cpp" and section.get("mode") == "api" and section.get("base_url"):
            translation.put(path, None)
            parent, _, name = path.rpartition(".")
            (translation.section(parent) if parent else translation.data)[name] = openai_settings(path, section, "")
        elif kind == "llama_cpp":
            translation.move(f"{path}.stop_tokens", f"{path}.stop")
            translation.drop(path, LLAMA_CPP_DROPPED if self._earlier else ())
        elif (self._earlier or "stream" in section) and "use" not in section:
            parent, _, name = path.rpartition(".")
            settings = openai_settings(path, section, OPENAI_COMPATIBLE["openai"])
            settings.pop("use")
            (translation.section(parent) if parent else translation.data)[name] = settings

    def _named(self) -> None:
        """Translate what the provider that answers has under today's name of its plugin."""
        translation = self._translation
        name = translation.get("general.inference_provider")
        section = translation.section(f"inference.{name}")
        if not self._earlier or "use" in section:
            return
        section.pop("enabled", None)  # the one that is named answers
        if name == "anthropic" and section and translation.claimed(name):
            translation.section("inference")[name] = anthropic_settings(section)

    def _chosen(self) -> None:
        """Translate the provider that answers."""
        translation = self._translation
        name = translation.get("general.inference_provider")
        if not isinstance(name, str) or translation.claimed(name):
            if isinstance(name, str) and name in _OWN and self._earlier and not self._has(name):
                translation.data[name] = {"model": "gemma3:1b"} if name == "ollama" else {}
            elif name is MISSING and self._earlier and not any(self._has(own) for own in _OWN):
                translation.data["ollama"] = {"model": "gemma3:1b", "embed_model": "nomic-embed-text"}
                translation.note(
                    "ollama", "the file names no model: as in the earlier ORBIT, Ollama's gemma3:1b answers."
                )
            return
        section = translation.section(f"inference.{name}")
        if not section or "use" in section:
            return
        if name in OPENAI_COMPATIBLE or name == "azure":
            settings = openai_settings(f"inference.{name}", section, OPENAI_COMPATIBLE.get(name, ""))
        elif name in OLLAMA_LIKE:
            settings = ollama_settings(name, section)
        elif name in GATEWAYS:
            settings = self._elsewhere(name, section)
        else:
            return
        settings.pop("enabled", None)
        translation.data["inference"][name] = settings
        translation.note("inference", f"inference.{name} uses the plugin {settings['use']} now.")

    def _elsewhere(self, name: str, section: dict[str, Any]) -> dict[str, Any]:
        """Return the settings for a provider whose model another program must serve, and say which."""
        translation, path = self._translation, f"inference.{name}"
        settings, new = elsewhere_settings(name, section)
        if new:
            address, (_, program) = settings["base_url"], GATEWAYS[name]
            offered = f"Let it offer {settings['model']} at {address}, or set {path}.base_url."
            translation.note("inference", f"{path} needs {program}. {offered}")
            kept = {*settings, "enabled", "stream"}
            translation.drop(path, [key for key in section if key not in kept], "for the program that serves the model")
        return settings

    def _has(self, name: str) -> bool:
        return any(self._translation.get(path) is not MISSING for path in (name, f"inference.{name}"))

    def _embeddings(self, plan: RetrievalPlan) -> None:
        """Translate ``embedding`` and ``embeddings``."""
        translation = self._translation
        if translation.claimed("embedding") or translation.claimed("embeddings"):
            return
        general, sections = translation.section("embedding"), translation.section("embeddings")
        there = translation.get("embedding") is not MISSING or translation.get("embeddings") is not MISSING
        translation.take("embedding")
        translation.take("embeddings")
        if not there or not plan.searches:
            return
        name = plan.embedding or general.get("provider") or translation.get("general.inference_provider")
        section = sections.get(name) if isinstance(name, str) else None
        section = section if isinstance(section, dict) else {}
        if not is_on(general.get("enabled")) and not plan.embedding:
            return
        settings: dict[str, Any]
        if name == "ollama":
            wanted = {"embed_model": section.get("model", "nomic-embed-text")}
            instance = self._instance("ollama", section.get("base_url", _OLLAMA), wanted, "embeddings")
        elif name == "llama_cpp":
            renamed = {key: value for key, value in section.items() if key in ("model_path", "n_ctx", "n_threads",
                       "n_gpu_layers", "main_gpu", "tensor_split", "verbose")}  # fmt: skip
            instance = "llama_cpp_embeddings"
            translation.data[instance] = {"use": "llama_cpp", **renamed}
        elif name in OPENAI_COMPATIBLE:
            settings = openai_settings(f"embeddings.{name}", section, OPENAI_COMPATIBLE[str(name)])
            settings["embed_model"] = settings.pop("model", "")
            settings.pop("enabled", None)
            for old, new in (("dimensions", "dimensions"), ("batch_size", "embed_batch_size")):
                if section.get(old) is not None and not (name == "mistral" and old == "dimensions"):
                    settings[new] = section[old]
            if section.get("task"):
                settings["extra_embed_body"] = {"task": section["task"]}
            instance = f"{name}_embeddings"
            translation.data[instance] = settings
        else:
            translation.left_out[f"embeddings.{name}"] = f"nothing is searched; {GATEWAY}"
            translation.take("chroma")
            return
        translation.put("general.embedding_provider", instance)
        translation.note("general", f"embeddings.{name} is now general.embedding_provider {instance}.")

    def _instance(self, kind: str, address: Any, wanted: dict[str, Any], purpose: str, **new: Any) -> str:
        """Return the instance at an address that has the wanted settings, made with ``new`` if there is none.

        An instance without one of ``new`` gets it: one that only embeds has no model that answers.
        """
        translation = self._translation
        for path in (kind, f"inference.{kind}"):
            section = translation.section(path)
            same = str(section.get("base_url", _OLLAMA)).rstrip("/") == str(address).rstrip("/")
            if section and same and all(section.get(key, value) == value for key, value in wanted.items()):
                section.update({**new, **{key: value for key, value in section.items() if value}, **wanted})
                return kind
        name = kind if not self._has(kind) else f"{kind}_{purpose}"
        translation.data[name] = {"use": kind, "base_url": address, **wanted, **new}
        return name

    def _judge(self, role: str, names: tuple[str, ...], tables: tuple[str, ...]) -> None:
        """Translate a section that names a provider of models, whose settings were in a table of their own."""
        translation = self._translation
        section = translation.section(role)
        if not section:
            return
        translation.drop(role, ("disable_on_fallback", "max_tokens"))
        table: dict[str, Any] = {}
        for title in tables:
            table |= translation.section(title)
        given = [section.pop(name) for name in names if name in section]
        name = next((one for one in given if one), None)
        if name is None and section.get("provider") in table:
            name = section.pop("provider")
        if name is None or not is_on(section.get("enabled")):
            return
        found = table.get(name)
        settings = found if isinstance(found, dict) else {}
        model = section.get("model") or settings.get("model")
        instance = self._judging(role, str(name), settings, model)
        if instance:
            section["provider"] = instance
            if model and instance in (*_OWN, f"ollama_{role}") and instance != "llama_cpp":
                section["model"] = model
            if "temperature" in settings:
                section.setdefault("temperature", settings["temperature"])
            translation.note(role, f"{role} asks {instance}, as {tables[0]}.{name} did.")
        elif role == "reranker":
            section["enabled"] = False
            translation.left_out[f"rerankers.{name}"] = "reranking is off: name a model that generates in reranker"
        else:
            section.pop("model", None)
            translation.left_out[f"{tables[0]}.{name}"] = "the model that answers judges instead"

    def _judging(self, role: str, name: str, settings: dict[str, Any], model: Any) -> str:
        """Return the instance that judges or scores; empty if the model only classifies, or has no counterpart."""
        if "moderation" in str(model) or ("rerank" in str(model) and name != "ollama"):
            return ""
        if name == "ollama" and (settings or not self._has("ollama")):
            return self._instance("ollama", settings.get("base_url", _OLLAMA), {}, role, model=model or "")
        if self._has(name) and name in (*_OWN, self._translation.get("general.inference_provider")):
            return name
        if name not in OPENAI_COMPATIBLE or not settings:
            return ""
        instance = f"{name}_{role}"
        self._translation.data[instance] = openai_settings(f"{role}.{name}", settings, OPENAI_COMPATIBLE[name])
        self._translation.data[instance].pop("enabled", None)
        return instance
