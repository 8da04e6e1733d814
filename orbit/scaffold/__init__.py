"""``orbit plugin new``: a complete package for a plugin, ready to be changed."""

from orbit.scaffold.names import HOOKS_TO_CHOOSE, problems_of
from orbit.scaffold.package import Package, write_package

__all__ = ["HOOKS_TO_CHOOSE", "Package", "problems_of", "write_package"]
