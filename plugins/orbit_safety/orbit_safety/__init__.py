"""Moderation for ORBIT: a model judges questions and answers; block lists work without a model."""

from orbit_safety.provider import SafetyProvider
from orbit_safety.settings import SafetySettings

__all__ = ["SafetyProvider", "SafetySettings"]
