"""Anthropic's Messages API for ORBIT: chat with Claude, and with other servers of that API."""

from orbit_anthropic.provider import AnthropicProvider
from orbit_anthropic.settings import AnthropicSettings

__all__ = ["AnthropicProvider", "AnthropicSettings"]
