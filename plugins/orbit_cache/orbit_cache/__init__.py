"""Answer cache for ORBIT: equal questions about equal passages get the same answer without a model."""

from orbit_cache.provider import CacheProvider
from orbit_cache.settings import CacheSettings

__all__ = ["CacheProvider", "CacheSettings"]
