"""Settings of the chat log."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from orbit.chatlog.naming import Naming
from orbit.config.folders import under_data


class FileLogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``logging.file``: folder, retention and content of the chat log."""

    directory: Annotated[
        str,
        Meta(
            min_length=1,
            description="Folder of the log files, under `general.data_dir` unless absolute; created if missing, for "
            "its owner only.",
        ),
    ] = "logs"
    filename: Annotated[
        str,
        Meta(min_length=1, description="Name of the files; the day precedes the suffix: `chat-2025-01-31.log`."),
    ] = "chat.log"
    format: Annotated[Literal["json"], Meta(description="Format of a line: one JSON object.")] = "json"
    rotation: Annotated[
        Literal["daily", "midnight"],
        Meta(description="When a new file begins; `midnight` is the older name of daily."),
    ] = "daily"
    timezone: Annotated[
        str, Meta(description="Time zone in which the day changes: `UTC`, `local` or a zone such as `Europe/Berlin`.")
    ] = "UTC"
    max_size_mb: Annotated[
        float,
        Meta(
            gt=0,
            description="Largest file, in megabytes of 1,000,000 bytes; the next one is numbered. Lines have "
            "at most 1 MB.",
        ),
    ] = 20.0
    retention_days: Annotated[int, Meta(ge=1, description="Days that files are kept, including today.")] = 14
    backup_count: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Older name of `retention_days`; overrides it if set."),
    ] = None
    unsent_days: Annotated[
        int, Meta(ge=0, description="Additional days that files are kept while a follower has not sent them.")
    ] = 14
    content: Annotated[
        Literal["full", "hash", "none"],
        Meta(description="Keep queries and responses unchanged, as a SHA-256 digest, or not at all."),
    ] = "full"
    hash_key: Annotated[
        str, Meta(description="Secret for `content: hash`, so that nobody can guess short texts from their digests.")
    ] = ""
    redact: Annotated[
        tuple[str, ...],
        Meta(description="Regular expressions; matches in queries, responses and reasons become `[redacted]`."),
    ] = ()
    fsync: Annotated[
        bool, Meta(description="Flush each write to the physical disk, so that it survives a power failure.")
    ] = False
    max_pending: Annotated[
        int,
        Meta(
            ge=1,
            description="Records kept in memory while the folder is not writable; further ones are dropped "
            "and counted.",
        ),
    ] = 10_000

    def folder(self, data_dir: Path) -> Path:
        """Return the folder; one with files in the working directory, where it was before, stays in use."""
        return under_data(self.directory, data_dir, lambda place: bool(Naming(self.filename).files(place)))

    @property
    def days_kept(self) -> int:
        """Days that files are kept, under either name."""
        return self.backup_count if self.backup_count is not None else self.retention_days

    @property
    def max_bytes(self) -> int:
        """Largest file, in bytes."""
        return max(1, int(self.max_size_mb * 1_000_000))
