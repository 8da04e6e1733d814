"""Ingestion: files -> text -> passages -> stores.

``find_files`` walks folders. ``reading`` runs the readers of ``formats``, which turn a file's bytes into sections of
text, in processes that can be ended. ``split`` cuts sections into passages. ``ingestion`` compares them with the store,
writes what is new and removes what is gone. ``sync`` does so for the files of a connector.
"""

from orbit.documents.fetched import FetchedFiles
from orbit.documents.files import LocalFile, find_files
from orbit.documents.ingestion import Input, Options, Store, ingest, ingest_paths
from orbit.documents.origins import Origins
from orbit.documents.summary import Failed, Kept, Progress, Removed, Shortened, Skipped, Summary, Warned
from orbit.documents.sync import Memory, Synced, sync

__all__ = [
    "Failed",
    "FetchedFiles",
    "Input",
    "Kept",
    "LocalFile",
    "Memory",
    "Options",
    "Origins",
    "Progress",
    "Removed",
    "Shortened",
    "Skipped",
    "Store",
    "Summary",
    "Synced",
    "Warned",
    "find_files",
    "ingest",
    "ingest_paths",
    "sync",
]
