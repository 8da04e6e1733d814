"""Reads a YAML file into a typed, validated configuration."""

from typing import TYPE_CHECKING, Any

from orbit.config.model import Config, HostConfig, ProviderSection

if TYPE_CHECKING:
    from orbit.config.load import find_config, load_config

__all__ = ["Config", "HostConfig", "ProviderSection", "find_config", "load_config"]


def __getattr__(name: str) -> Any:
    """Import what reads files when somebody needs it: reading processes get their configuration from the server."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orbit.config import load  # noqa: PLC0415

    return getattr(load, name)
