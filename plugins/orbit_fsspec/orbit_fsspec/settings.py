"""The keys of the configuration section."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec


class FsspecSettings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Each field is a setting. The README shows its description in a table."""

    url: Annotated[
        str,
        msgspec.Meta(
            description="Folder: a path, or an address such as `s3://bucket/folder` or `webdav+https://host/folder`.",
        ),
    ] = ""
    options: Annotated[
        dict[str, Any], msgspec.Meta(description="Options of the file system, such as `endpoint` and `region` of S3.")
    ] = {}
    credentials: Annotated[
        dict[str, str],
        msgspec.Meta(description="Options that are secret, such as `password`; preferably ${NAME} from .env."),
    ] = {}
    include: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Patterns of the files to fetch, such as `handbook/**/*.pdf`; empty for all."),
    ] = ()
    exclude: Annotated[
        tuple[str, ...], msgspec.Meta(description="Patterns of files and folders to leave out, such as `archive/**`.")
    ] = ()
    readers: Annotated[
        tuple[str, ...],
        msgspec.Meta(description="Groups of API keys that may read the files; empty for everybody."),
    ] = ()
    metadata: Annotated[
        dict[str, str | int | float | bool],
        msgspec.Meta(description="Fields of all files, for filters of questions, such as `{year: 2026}`."),
    ] = {}
    hidden: Annotated[bool, msgspec.Meta(description="Fetch files and folders that begin with a dot.")] = False
    max_files: Annotated[
        int, msgspec.Meta(ge=1, description="Most files; if there are more, the run ends without removing anything.")
    ] = 100_000
    link: Annotated[
        str,
        msgspec.Meta(description="Address where people read a file, with `{name}`, such as `https://host/{name}`."),
    ] = ""
