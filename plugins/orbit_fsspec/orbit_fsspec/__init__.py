"""Connector for ORBIT: documents in folders, buckets and on servers, through fsspec."""

from orbit_fsspec.provider import FsspecProvider
from orbit_fsspec.settings import FsspecSettings

__all__ = ["FsspecProvider", "FsspecSettings"]
