"""The types of files that can be read, known by their extensions. Needs no parser, unlike the readers."""

from __future__ import annotations

import hashlib
from pathlib import PurePath

from orbit.documents.sections import UnreadableError
from orbit.host.documents.file_plugins import FilePlugins

VERSION = 11
"""Increase it when readers or splitter make other passages of the same file. ORBIT then reads all files again."""

PDF = ".pdf"
PICTURE = ".png"
"""The plugin that reads such files also reads the pages of a PDF that hold pictures alone."""

_CODE = (
    *(".py", ".pyi", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".java", ".kt", ".kts", ".scala"),
    *(".groovy", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cs", ".fs", ".vb", ".go", ".rs"),
    *(".rb", ".php", ".pl", ".pm", ".swift", ".m", ".lua", ".r", ".jl", ".dart", ".ex", ".exs", ".erl"),
    *(".hs", ".clj", ".ml", ".sh", ".bash", ".zsh", ".ps1", ".bat", ".cmd", ".sql", ".proto", ".graphql"),
    *(".css", ".scss", ".less", ".vue", ".svelte", ".tf", ".hcl", ".toml", ".ini", ".cfg", ".conf"),
    *(".gradle", ".cmake", ".mk", ".tex", ".bib", ".diff", ".patch"),
)
"""Source code and configuration, read line by line."""

KINDS: dict[str, str] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd", ".mdx", ".rmd", ".qmd"), "markdown"),
    **dict.fromkeys((".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org"), "text"),
    **dict.fromkeys((".srt", ".vtt"), "subtitles"),
    **dict.fromkeys((".ics", ".vcf"), "cards"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".pdf": "pdf",
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), "docx"),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"), "pptx"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xltx", ".xltm"), "xlsx"),
    **dict.fromkeys((".odt", ".ott"), "odt"),
    **dict.fromkeys((".ods", ".ots"), "ods"),
    **dict.fromkeys((".odp", ".otp", ".odg", ".otg"), "odp"),
    ".epub": "epub",
    ".rtf": "rtf",
    ".eml": "eml",
    ".mbox": "mbox",
    **dict.fromkeys((".mht", ".mhtml"), "mht"),
    **dict.fromkeys((".csv", ".tsv", ".tab"), "table"),
    **dict.fromkeys((".json", ".geojson"), "json"),
    **dict.fromkeys((".jsonl", ".ndjson"), "json lines"),
    **dict.fromkeys((".yaml", ".yml"), "yaml"),
    **dict.fromkeys((".xml", ".rss", ".atom", ".xsd", ".dita"), "xml"),
    ".ipynb": "notebook",
    ".properties": "properties",
    **dict.fromkeys((".log", *_CODE), "code"),
}
"""The type of a file by its extension."""

_WAYS_OUT = {
    **dict.fromkeys((".doc", ".dot", ".pages", ".wpd", ".wps", ".sxw"), "save it as .docx"),
    **dict.fromkeys((".ppt", ".pps", ".pot", ".key", ".sxi"), "save it as .pptx"),
    **dict.fromkeys((".numbers", ".xlt", ".sxc"), "save it as .xlsx"),
    **dict.fromkeys((".xls", ".xlsb"), "save it as .xlsx, or enable the provider 'old_office'"),
    ".msg": "save it as .eml, or enable the provider 'old_office'",
    **dict.fromkeys((".pst", ".ost"), "export its messages as .eml or .mbox"),
    **dict.fromkeys((".fodt", ".fods", ".fodp"), "save it as .odt, .ods or .odp"),
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".fb2"), "convert it to .epub"),
    **dict.fromkeys((".vsd", ".vsdx", ".pub", ".one", ".xps", ".ps", ".djvu", ".svg"), "save it as a PDF"),
    **dict.fromkeys((".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar"), "unpack it"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"), "the provider 'ocr' reads pictures"),
}
"""What to do about formats that are not read."""

_READABLE = frozenset(
    (
        *("markdown", "text", "subtitles", "properties", "cards", "table", "json", "json lines", "yaml", "xml", "code"),
        *("notebook", "eml", "mbox"),
    )
)
TEXT = frozenset(ending for ending, kind in KINDS.items() if kind in _READABLE)
"""Extensions of the files that people can read as text."""

KNOWN = tuple(KINDS)
"""Extensions of the files that can be read."""


def check_type(source: str) -> None:
    """Raise UnreadableError if no reader supports the file's extension."""
    ending = PurePath(source).suffix.lower()
    if ending in _WAYS_OUT:
        raise UnreadableError(f"is a '{ending}' file, which ORBIT does not read; {_WAYS_OUT[ending]}")
    if ending not in KINDS:
        what = f"'{ending}' is not a known type" if ending else "its name has no extension that shows its type"
        raise UnreadableError(f"{what} ({', '.join(KNOWN)})")


def fingerprint(source: str, content: bytes, *parameters: int | str, plugins: FilePlugins | None = None) -> str:
    """Return a digest of a file's content and of what reads and splits it, without parsing it."""
    ending = PurePath(source).suffix.lower()
    if plugins is not None and ending in plugins.readers:
        reader = plugins.digest(ending)
    else:
        check_type(source)
        reader = KINDS[ending] + (plugins.digest(ending) if plugins is not None else "")
        if ending == PDF and plugins is not None and PICTURE in plugins.readers:
            reader += plugins.digest(PICTURE)
    digest = hashlib.sha256(f"{VERSION}:{reader}:{':'.join(map(str, parameters))}\0".encode())
    digest.update(content)
    return digest.hexdigest()[:32]
