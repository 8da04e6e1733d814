"""Embeddings for ORBIT from WordLlama's bundled weights: no download, no server, no GPU."""

from orbit_wordllama.provider import Settings, WordLlamaProvider

__all__ = ["Settings", "WordLlamaProvider"]
