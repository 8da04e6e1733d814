"""The base class of every plugin, and what the host lends to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import msgspec

from orbit.types import CallContext, Chunk, EmbedKind, GenerateOptions, Health, Message, ModerationStage, Need

if TYPE_CHECKING:
    from orbit.types import Vectors

ORBIT_API = 1
"""The version of the plugin API that this host speaks; see ``docs/compatibility.md``."""


class NoSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The settings of a plugin that has none."""


class Host(Protocol):
    """What a provider may ask of the host that runs it.

    ``data_dir`` and ``default_config`` are there from the start, the rest from ``ready()`` on.
    """

    @property
    def data_dir(self) -> Path:
        """The folder for what must survive a restart. It exists."""
        ...

    @property
    def default_config(self) -> str:
        """The YAML of what runs without a configuration file: what a command begins with that writes the first one."""
        ...

    @property
    def chat_log(self) -> Path | None:
        """The chat log's folder, and the name that its files begin with; None if none is written."""
        ...

    @property
    def embedding(self) -> str:
        """The embedding provider in use and its model, as ``provider/model``; empty if there is none."""
        ...

    async def embed(self, texts: Sequence[str], kind: EmbedKind, context: CallContext) -> Vectors:
        """Embed with the selected provider: float32, shape ``(len(texts), dimension)``. Raises ProviderError."""
        ...

    def generate(
        self, messages: Sequence[Message], options: GenerateOptions, context: CallContext, provider: str = ""
    ) -> AsyncIterator[Chunk]:
        """Generate with the named provider instance, or the selected one. Raises ProviderError."""
        ...


class Provider:
    """A plugin: settings, a lifecycle, and hooks marked with ``@orbit.hookimpl``.

    The host makes one object for each instance in the configuration, then enters it (``async with``), calls
    ``ready()`` when all providers are entered, and leaves it when it shuts down, in reverse order.
    """

    Settings: ClassVar[type[msgspec.Struct]] = NoSettings
    """A frozen ``msgspec.Struct`` with ``forbid_unknown_fields=True``: the keys of the configuration section."""

    ORBIT_API: ClassVar[int] = 1
    """The version of the plugin API that the plugin was written for."""

    settings: Any
    """The configured ``Settings``. Annotate it in your class (``settings: Settings``) to have its use checked."""

    def __init__(self, name: str, settings: msgspec.Struct, host: Host) -> None:
        """Only keep what is given: nothing opens, connects or loads before ``__aenter__``."""
        self.name = name
        self.settings = settings
        self.host = host

    async def __aenter__(self) -> Self:
        """Open what the provider needs. Raise ConfigError or ProviderError to say why it cannot start."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close all that was opened. Also called after a failed ``ready()``."""

    async def ready(self) -> None:
        """Check what involves other providers, once all are started. Raise ConfigError to refuse the start."""

    async def health(self) -> Health:
        """The provider's state, found within the host's deadline."""
        return Health()

    def metrics(self) -> Mapping[str, float]:
        """Figures of this instance for ``/metrics``, by name; those that only grow end in ``_total``."""
        return {}

    def validate(self) -> Iterable[str]:
        """Sentences about settings of the right type but without sense (a missing file), found offline."""
        return ()

    def model(self, hook: str) -> str:
        """The name of the model that answers ``hook`` (``generate``, ``embed``): for logs and stored vectors."""
        return str(getattr(self.settings, "model", ""))

    def needs(self) -> Iterable[Need]:
        """What this instance, as it is configured, will ask of the host. ``orbit check`` says what nobody offers."""
        return ()

    def default_collection(self) -> str:
        """The collection that ``retrieve`` searches for API keys that name none; empty if it searches nothing then."""
        return ""

    def refuses_model(self, model: str) -> str:
        """Why ``generate`` cannot answer with the model of this name; empty if it can, or if only asking would tell.

        It is called offline, before the start: a judge's or reranker's model is checked with it.
        """
        return ""

    def offers(self, hook: str) -> bool:
        """Whether this instance, as it is configured, does what a hook that its class implements is for.

        A model server that was given no embedding model, for example, does not offer ``embed``.
        """
        return True

    def moderates(self, stage: ModerationStage) -> bool:
        """Whether ``moderate`` has anything to decide at this stage. Asked once, after the start.

        Answers are then held back until each sentence has passed, so it is not the default.
        """
        return stage == "input"

    def exclusive(self) -> str:
        """Why several worker processes cannot share what this instance uses; empty if they can."""
        return ""

    def folders(self) -> Iterable[Path]:
        """Folders that only one server may use at a time; they need not exist. Commands may use them meanwhile."""
        return ()
