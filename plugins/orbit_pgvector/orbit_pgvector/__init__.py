"""Passages for ORBIT in PostgreSQL, by pgvector: filled and searched by many servers at once."""

from orbit_pgvector.provider import PgvectorProvider
from orbit_pgvector.settings import PgvectorSettings

__all__ = ["PgvectorProvider", "PgvectorSettings"]
