"""Embeddings for ORBIT from WordLlama's bundled weights: no download, no server, no GPU."""

from orbit_wordllama.provider import WordLlamaProvider, WordLlamaSettings

__all__ = ["WordLlamaProvider", "WordLlamaSettings"]
