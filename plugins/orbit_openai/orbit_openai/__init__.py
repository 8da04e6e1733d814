"""OpenAI-compatible servers for ORBIT: chat and embeddings with vLLM, llama.cpp, Ray Serve LLM and hosted services."""

from orbit_openai.provider import OpenAIProvider
from orbit_openai.settings import OpenAISettings

__all__ = ["OpenAIProvider", "OpenAISettings"]
