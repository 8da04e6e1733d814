"""``orbit plugin new``: generates a complete, working plugin package."""

from orbit.scaffold.names import HOOKS_TO_CHOOSE, problems_of
from orbit.scaffold.package import Package, write_package

__all__ = ["HOOKS_TO_CHOOSE", "Package", "problems_of", "write_package"]
