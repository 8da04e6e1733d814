"""The keys of a section `markdown:` in config.yaml."""

from typing import Annotated

import msgspec


class MarkdownSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Each field is a setting. The README shows its description in a table."""

    folder: Annotated[str, msgspec.Meta(description="Folder of .md files, including subfolders.")]
    collection: Annotated[
        str, msgspec.Meta(description="Only API keys of this collection may read them; empty: all keys.")
    ] = ""
