"""Settings of the chat log."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class FileLogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``logging.file``: where the chat log stands, how long it is kept and what of a chat it holds."""

    directory: Annotated[
        str, Meta(min_length=1, description="Folder of the log files; made when needed, for its owner only.")
    ] = "logs"
    filename: Annotated[
        str,
        Meta(min_length=1, description="Name of the files; the day comes before the suffix: `chat-2025-01-31.log`."),
    ] = "chat.log"
    format: Annotated[Literal["json"], Meta(description="Form of a line: one JSON object.")] = "json"
    rotation: Annotated[
        Literal["daily", "midnight"],
        Meta(description="When a new file begins; `midnight` is the older word for daily."),
    ] = "daily"
    timezone: Annotated[
        str, Meta(description="Where the day changes: `UTC`, `local` or a zone such as `Europe/Berlin`.")
    ] = "UTC"
    max_size_mb: Annotated[
        float,
        Meta(
            gt=0,
            description="Largest file, in megabytes of 1,000,000 bytes; the next is numbered. A line has at most 1 MB.",
        ),
    ] = 20.0
    retention_days: Annotated[int, Meta(ge=1, description="Days that files are kept, today included.")] = 14
    backup_count: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Older name of `retention_days`; used instead of it when set."),
    ] = None
    unsent_days: Annotated[
        int, Meta(ge=0, description="Days that files are kept beyond that while a follower has not sent them.")
    ] = 14
    content: Annotated[
        Literal["full", "hash", "none"],
        Meta(description="Keep queries and responses as they are, as a SHA-256 digest, or not at all."),
    ] = "full"
    hash_key: Annotated[
        str, Meta(description="Secret for `content: hash`, so that short texts cannot be guessed from their digest.")
    ] = ""
    redact: Annotated[
        tuple[str, ...],
        Meta(
            description="Regular expressions; what they match in queries, responses and reasons becomes `[redacted]`."
        ),
    ] = ()
    fsync: Annotated[
        bool, Meta(description="Force each write to the disk itself, to survive a power failure as well.")
    ] = False
    max_pending: Annotated[
        int,
        Meta(
            ge=1, description="Records kept in memory while the folder cannot be written; more are dropped and counted."
        ),
    ] = 10_000

    @property
    def days_kept(self) -> int:
        """Days that files are kept, under either of the two names."""
        return self.backup_count if self.backup_count is not None else self.retention_days

    @property
    def max_bytes(self) -> int:
        """Largest file, in bytes."""
        return max(1, int(self.max_size_mb * 1_000_000))
