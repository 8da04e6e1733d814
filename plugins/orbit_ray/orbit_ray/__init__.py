"""ORBIT's ingestion on a Ray cluster: reads, splits and embeds files on many machines."""

from orbit_ray.engine import RayEngine

__all__ = ["RayEngine"]
