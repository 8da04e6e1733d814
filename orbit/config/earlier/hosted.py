"""Settings of hosted models: what the plugins that reach them call the earlier names."""

from __future__ import annotations

from typing import Any

from orbit.config.earlier.names import (
    ANTHROPIC_KEYS,
    GATEWAYS,
    HUGGING_FACE,
    OLLAMA_DROPPED,
    OLLAMA_LIKE,
    OPENAI_EXTRA,
    OPENAI_KEYS,
)
from orbit.config.earlier.translation import optional

_UNCHANGED: dict[str, Any] = {
    "frequency_penalty": 0.0, "presence_penalty": 0.0, "repetition_penalty": 1.0, "seed": None, "stop": [], "top_k": -1,
}  # fmt: skip
"""Values of sampling options that change nothing."""


def openai_settings(path: str, section: dict[str, Any], address: str) -> dict[str, Any]:
    """Return the settings of the plugin openai for a provider that speaks its protocol."""
    name = path.rpartition(".")[2]
    settings: dict[str, Any] = {"use": "openai"}
    base = section.get("base_url") or section.get("api_base") or section.get("endpoint")
    host = str(section.get("host") or "")
    if name == "azure":
        base = f"{str(base).rstrip('/')}/openai/v1"
        settings["headers"] = {"api-key": optional(section.get("api_key", ""))}
        section = {"model": section.get("deployment"), **{k: v for k, v in section.items() if k != "api_key"}}
    elif not base and host:
        base = f"{host if '://' in host else f'http://{host}'}:{section.get('port', 8000)}/v1"
    elif (
        base
        and name in ("vllm", "sglang", "tensorrt", "lmstudio", "llama_cpp")
        and not str(base).rstrip("/").endswith("/v1")
    ):
        base = f"{str(base).rstrip('/')}/v1"
    settings["base_url"] = base or address
    settings |= {key: value for key, value in section.items() if key in OPENAI_KEYS and value is not None}
    if "api_key" in settings:
        settings["api_key"] = optional(settings["api_key"])
    if name in ("openai", "groq", "deepseek", "mistral", "anthropic") and "api_key" not in settings:
        settings["api_key"] = f"${{{name.upper()}_API_KEY:-}}"
    extra = {
        key: section[key]
        for key in OPENAI_EXTRA
        if key in section and section[key] != _UNCHANGED[key] and (key != "top_k" or name in ("vllm", "sglang"))
    }
    if extra:
        settings["extra_body"] = extra
    if "enabled" in section:
        settings["enabled"] = section["enabled"]
    return settings


def ollama_settings(name: str, section: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the plugin ollama for a server elsewhere that speaks its protocol."""
    settings = {key: value for key, value in section.items() if key not in OLLAMA_DROPPED}
    settings = {"use": "ollama", "base_url": OLLAMA_LIKE[name], **settings}
    if section.get("api_key"):
        settings["headers"] = {"Authorization": f"Bearer {optional(section['api_key'], 'missing')}"}
    return settings


def elsewhere_settings(name: str, section: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the settings of the plugin openai for a provider with its own protocol, and whether it needs a gateway.

    It needs none where its server has learned OpenAI's protocol since.
    """
    model = section.get("model")
    if name == "huggingface" and model:
        endpoint, provider = section.get("endpoint_url"), section.get("provider")
        address = f"{str(endpoint).rstrip('/')}/v1" if endpoint else HUGGING_FACE
        if not endpoint and provider and provider != "auto":
            model = f"{model}:{provider}"
        return openai_settings(name, {**section, "base_url": address, "model": model}, ""), False
    address = str(section.get("base_url") or GATEWAYS[name][0]).rstrip("/")
    if name == "bitnet":
        address = f"{address.removesuffix('/v1')}/v1"
        if section.get("mode") == "api":
            model = model or section.get("model_path") or name  # its server has one model, whatever a request names
            return openai_settings(name, {**section, "base_url": address, "model": model}, ""), False
    own = {key: value for key, value in section.items() if key in OPENAI_KEYS - {"api_key", "headers"}}
    own |= {"base_url": address, "model": model or section.get("model_name") or section.get("model_path") or name}
    return {**openai_settings(name, own, ""), "require_server": False}, True


def anthropic_settings(section: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the plugin anthropic."""
    settings = {key: value for key, value in section.items() if key in ANTHROPIC_KEYS}
    address = section.get("base_url") or section.get("api_base")
    if address:
        settings["base_url"] = str(address).rstrip("/").removesuffix("/v1")
    settings["api_key"] = optional(settings.get("api_key", "${ANTHROPIC_API_KEY}"))
    return settings
