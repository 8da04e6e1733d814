"""Reads a YAML file into a typed, validated configuration."""

from orbit.config.load import find_config, load_config
from orbit.config.model import Config, HostConfig, ProviderSection

__all__ = ["Config", "HostConfig", "ProviderSection", "find_config", "load_config"]
