"""The keys of a section `markdown:` in config.yaml."""

from typing import Annotated

import msgspec


class MarkdownSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Each field is a setting; its description stands in the table of the README."""

    folder: Annotated[str, msgspec.Meta(description="Folder whose .md files are read, subfolders too.")]
    collection: Annotated[
        str, msgspec.Meta(description="Only API keys of this collection may read them; empty: all keys.")
    ] = ""
