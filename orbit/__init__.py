"""ORBIT answers from your own documents with the model of your choice. This is its plugin API."""

from orbit.errors import ConfigError, OrbitError, PluginLoadError, Problem, PromptTooLong, ProviderError
from orbit.hookspecs import hookimpl
from orbit.provider import ORBIT_API, Host, NoSettings, Provider
from orbit.thinking import Thinking, ThinkingSplitter
from orbit.types import (
    CallContext,
    ChatRecord,
    Chunk,
    Collection,
    Document,
    GenerateOptions,
    Health,
    Message,
    Need,
    Query,
    SourceRef,
    TokenCount,
    Usage,
    Verdict,
)

__all__ = [
    "ORBIT_API",
    "CallContext",
    "ChatRecord",
    "Chunk",
    "Collection",
    "ConfigError",
    "Document",
    "GenerateOptions",
    "Health",
    "Host",
    "Message",
    "Need",
    "NoSettings",
    "OrbitError",
    "PluginLoadError",
    "Problem",
    "PromptTooLong",
    "Provider",
    "ProviderError",
    "Query",
    "SourceRef",
    "Thinking",
    "ThinkingSplitter",
    "TokenCount",
    "Usage",
    "Verdict",
    "hookimpl",
]
