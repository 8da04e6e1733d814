"""Connector for ORBIT: the pages and documents of web sites."""

from orbit_web.provider import WebProvider
from orbit_web.settings import WebSettings

__all__ = ["WebProvider", "WebSettings"]
