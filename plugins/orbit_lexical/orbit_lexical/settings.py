"""The keys of the configuration section."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class LexicalSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One folder of full-text indexes, one for each collection."""

    path: Annotated[str, Meta(description="Folder of the indexes; relative paths start at general.data_dir.")] = (
        "lexical"
    )
    collection: Annotated[
        str, Meta(description="Collection for API keys without one; empty: they search nothing here.")
    ] = ""
