"""Ingestion: files -> text -> passages -> vector store.

``find_files`` walks folders. ``readers`` turn a file's bytes into sections of text. ``split`` cuts sections into
passages. ``run`` compares them with the store and writes what is new.
"""

from orbit.documents.files import LocalFile, find_files
from orbit.documents.ingestion import Failed, Input, Progress, Shortened, Skipped, Store, Summary, ingest, ingest_paths

__all__ = [
    "Failed",
    "Input",
    "LocalFile",
    "Progress",
    "Shortened",
    "Skipped",
    "Store",
    "Summary",
    "find_files",
    "ingest",
    "ingest_paths",
]
