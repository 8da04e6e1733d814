"""Passages for ORBIT from ChromaDB, embedded in the process or on a server."""

from orbit_chroma.provider import ChromaProvider
from orbit_chroma.settings import ChromaSettings

__all__ = ["ChromaProvider", "ChromaSettings"]
