"""Answers and embeddings from GGUF models with llama.cpp."""

from orbit_llamacpp.provider import LlamaCppProvider
from orbit_llamacpp.settings import LlamaCppSettings

__all__ = ["LlamaCppProvider", "LlamaCppSettings"]
