"""ORBIT answers from your own documents with the model of your choice. This is its plugin API."""

from typing import TYPE_CHECKING

from orbit.errors import (
    ConfigError,
    FailureKind,
    OrbitError,
    PluginLoadError,
    Problem,
    PromptTooLong,
    ProviderError,
    UnreadableError,
)
from orbit.hookspecs import hookimpl
from orbit.provider import ORBIT_API, Host, NoSettings, Provider
from orbit.thinking import Thinking, ThinkingSplitter
from orbit.tokens import text_of_tokens
from orbit.types import (
    Calibration,
    CallContext,
    Capability,
    ChatRecord,
    Chunk,
    Collection,
    Comparator,
    ComparisonFilter,
    CompoundFilter,
    Content,
    Document,
    EmbedKind,
    Fetched,
    File,
    Filter,
    FinishReason,
    GenerateOptions,
    Health,
    HealthStatus,
    Image,
    LikelyToken,
    Message,
    MetadataValue,
    Model,
    ModerationStage,
    Need,
    Notice,
    Part,
    Query,
    Role,
    Section,
    SectionKind,
    Source,
    SourceFile,
    SourceRef,
    Text,
    Thought,
    TokenCount,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolStatus,
    ToolUse,
    Usage,
    Verdict,
    WrittenToken,
)

if TYPE_CHECKING:
    from orbit.types import Vectors

__all__ = [
    "ORBIT_API",
    "Calibration",
    "CallContext",
    "Capability",
    "ChatRecord",
    "Chunk",
    "Collection",
    "Comparator",
    "ComparisonFilter",
    "CompoundFilter",
    "ConfigError",
    "Content",
    "Document",
    "EmbedKind",
    "FailureKind",
    "Fetched",
    "File",
    "Filter",
    "FinishReason",
    "GenerateOptions",
    "Health",
    "HealthStatus",
    "Host",
    "Image",
    "LikelyToken",
    "Message",
    "MetadataValue",
    "Model",
    "ModerationStage",
    "Need",
    "NoSettings",
    "Notice",
    "OrbitError",
    "Part",
    "PluginLoadError",
    "Problem",
    "PromptTooLong",
    "Provider",
    "ProviderError",
    "Query",
    "Role",
    "Section",
    "SectionKind",
    "Source",
    "SourceFile",
    "SourceRef",
    "Text",
    "Thinking",
    "ThinkingSplitter",
    "Thought",
    "TokenCount",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "ToolStatus",
    "ToolUse",
    "UnreadableError",
    "Usage",
    "Vectors",
    "Verdict",
    "WrittenToken",
    "hookimpl",
    "text_of_tokens",
]

if not TYPE_CHECKING:  # mypy would accept misspelt names if it saw __getattr__

    def __getattr__(name: str) -> object:
        """Import numpy only when ``Vectors`` is used at run time."""
        if name != "Vectors":
            raise AttributeError(f"module 'orbit' has no attribute '{name}'")
        import numpy as np  # noqa: PLC0415  # importing a plugin stays cheap
        from numpy.typing import NDArray  # noqa: PLC0415  # the same

        return NDArray[np.float32]
