"""Ingestion: files -> text -> passages -> vector store.

``find_files`` walks folders. ``readers`` turn a file's bytes into sections of text. ``split`` cuts sections into
passages. ``ingestion`` compares them with the store, writes what is new and removes what is gone.
"""

from orbit.documents.files import LocalFile, find_files
from orbit.documents.ingestion import Input, Options, Store, ingest, ingest_paths
from orbit.documents.origins import Origins
from orbit.documents.summary import Failed, Kept, Progress, Removed, Shortened, Skipped, Summary, Warned

__all__ = [
    "Failed",
    "Input",
    "Kept",
    "LocalFile",
    "Options",
    "Origins",
    "Progress",
    "Removed",
    "Shortened",
    "Skipped",
    "Store",
    "Summary",
    "Warned",
    "find_files",
    "ingest",
    "ingest_paths",
]
