"""The base class of all plugins, and the host's interface for them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import msgspec

from orbit.types import (
    Calibration,
    CallContext,
    Chunk,
    EmbedKind,
    GenerateOptions,
    Health,
    Message,
    Model,
    ModerationStage,
    Need,
    TokenCount,
)

if TYPE_CHECKING:
    from orbit.types import Vectors

ORBIT_API = 2
"""The version of the plugin API that this host speaks; see ``docs/compatibility.md``."""


class NoSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Settings of a plugin that takes none."""


class Host(Protocol):
    """The services of the host for its providers.

    ``data_dir``, ``default_config`` and ``environment`` are available from the start, the rest from ``ready()`` on.
    """

    @property
    def data_dir(self) -> Path:
        """The folder for data that must survive a restart. It exists."""
        ...

    @property
    def default_config(self) -> str:
        """Return the YAML that runs without a configuration file. Commands that write a first file start from it."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that the configuration may refer to, as they are now: the process's, then those of ``.env``."""
        ...

    @property
    def chat_log(self) -> Path | None:
        """Return the chat log's folder and the prefix of its file names; None if there is no chat log."""
        ...

    @property
    def embedding(self) -> str:
        """Return the embedding provider in use and its model, as ``provider/model``; empty if there is none."""
        ...

    def embeds(self, embedding: str) -> bool:
        """Return whether an enabled provider has the model that ``embedding`` names as ``provider/model``."""
        ...

    async def embed(self, texts: Sequence[str], kind: EmbedKind, context: CallContext, embedding: str = "") -> Vectors:
        """Embed with the selected provider, or the one that ``embedding`` names. Raises ProviderError.

        Returns float32 of shape ``(len(texts), dimension)``.
        """
        ...

    def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, provider: str = ""
    ) -> AsyncGenerator[Chunk, None]:
        """Generate with the named model or provider instance, or the selected one. Raises ProviderError.

        The providers of a model share its load, and before the first text its fallbacks take over.
        """
        ...

    async def count_tokens(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, provider: str = ""
    ) -> TokenCount | None:
        """Return the size of a prompt for a provider instance, by default the selected one; None if it cannot count.

        Raises ProviderError.
        """
        ...

    async def models(self, context: CallContext, provider: str = "") -> Sequence[Model]:
        """Return the models of a provider instance, by default the selected one. Raises ProviderError."""
        ...


class Provider:
    """A plugin: settings, a lifecycle, and hooks marked with ``@orbit.hookimpl``.

    The host makes one object per instance in the configuration and enters it (``async with``). It calls ``ready()``
    when it has entered all providers. At shutdown it leaves them in reverse order.

    A reload of the configuration makes a new object for a section that has changed, or that needs one which has. The
    host leaves the former object when its last request has ended, so both run for a while.
    """

    Settings: ClassVar[type[msgspec.Struct]] = NoSettings
    """A frozen ``msgspec.Struct`` with ``forbid_unknown_fields=True``. Its fields are the keys of the configuration
    section.
    """

    ORBIT_API: ClassVar[int] = 1
    """The plugin API version that the plugin was written for."""

    settings: Any
    """The configured ``Settings``. Annotate it in your class (``settings: Settings``) so that type checkers know its
    fields.
    """

    def __init__(self, name: str, settings: msgspec.Struct, host: Host) -> None:
        """Store the arguments only: open, connect and load in ``__aenter__``."""
        self.name = name
        self.settings = settings
        self.host = host

    async def __aenter__(self) -> Self:
        """Acquire the provider's resources. Raise ConfigError or ProviderError to say why it cannot start."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release all resources. The host also calls it after a failed ``ready()``."""

    async def ready(self) -> None:
        """Check what depends on other providers, after all have started. Raise ConfigError to stop the start."""

    async def health(self) -> Health:
        """Return the provider's state, within the host's deadline."""
        return Health()

    def metrics(self) -> Mapping[str, float]:
        """Return this instance's metrics for ``/metrics``, by name. Names of counters end in ``_total``."""
        return {}

    def validate(self) -> Iterable[str]:
        """Yield sentences about settings that have the right type but cannot work (a missing file). Checks offline.

        A sentence names a setting that holds a secret, but never its value.
        """
        return ()

    def remarks(self) -> Iterable[str]:
        """Yield sentences about settings that work, but hardly as intended. Only ``orbit check`` shows them."""
        return ()

    def model(self, hook: str) -> str:
        """Return the name of the model behind ``hook`` (``generate``, ``embed``), for logs and stored vectors."""
        return str(getattr(self.settings, "model", ""))

    def needs(self) -> Iterable[Need]:
        """Return the hooks that this instance will call. ``orbit check`` reports those that nobody offers."""
        return ()

    def default_collection(self) -> str:
        """Return the collection that ``retrieve`` searches for API keys without one; empty to search nothing."""
        return ""

    def calibration(self, hook: str) -> Calibration | None:
        """Return the scale of the scores of ``retrieve``, or of the cosine similarities of ``embed``; None if unknown.

        The host fuses retrievers by their scores if it knows the scale of each, and by rank otherwise. A retriever that
        needs ``embed`` has the embedding provider's scale unless it has its own.
        """
        return None

    def filters(self) -> bool:
        """Return whether this instance keeps to filters and readers.

        If True, ``index`` keeps ``Document.readers``, ``list_passages`` returns them, and ``retrieve`` returns the best
        passages that ``Query.filter`` and ``Query.readers`` allow; ``orbit.filters.first_allowed`` helps. If False, the
        host never gives the store a passage with readers, and leaves out what ``retrieve`` returns beyond the filter.
        """
        return False

    def refuses_model(self, model: str) -> str:
        """Return why ``generate`` cannot use the model of this name; empty if it can, or if only a request would tell.

        The host calls it offline, before the start, to check the models of judges and rerankers.
        """
        return ""

    def offers(self, hook: str) -> bool:
        """Return whether this instance can serve a hook with its current settings.

        For example, a model server without an embedding model does not offer ``embed``.
        """
        return True

    def moderates(self, stage: ModerationStage) -> bool:
        """Return whether ``moderate`` has anything to decide at this stage. The host asks once, after the start.

        The default is False for output, because output moderation holds answers back until each sentence has passed.
        """
        return stage == "input"

    def reads(self) -> Iterable[str]:
        """Return the extensions of the files that ``read`` reads, such as ``".msg"``, in lower case with the dot."""
        return ()

    def exclusive(self) -> str:
        """Return why several worker processes cannot share this instance's resources; empty if they can."""
        return ""

    def folders(self) -> Iterable[Path]:
        """Return folders that only one server may use at a time; they need not exist. Commands may still use them."""
        return ()

    def backed_up(self) -> Iterable[Path]:
        """Return folders that ``orbit backup`` copies; they need not exist. By default those of ``folders``."""
        return self.folders()
