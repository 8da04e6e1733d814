"""Ollama for ORBIT: chat and embeddings from one or several Ollama servers."""

from orbit_ollama.provider import OllamaProvider
from orbit_ollama.settings import OllamaSettings

__all__ = ["OllamaProvider", "OllamaSettings"]
