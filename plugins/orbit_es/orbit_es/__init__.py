"""Sends every chat turn to Elasticsearch, exactly once, whatever fails."""

from orbit_es.provider import ElasticsearchLog
from orbit_es.settings import ElasticsearchSettings

__all__ = ["ElasticsearchLog", "ElasticsearchSettings"]
