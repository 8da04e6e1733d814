"""Configurations of the earlier ORBIT: their names and values in today's terms."""

from orbit.config.earlier.imports import with_imports
from orbit.config.earlier.rules import translate
from orbit.config.earlier.translation import Notice, Translation

__all__ = ["Notice", "Translation", "translate", "with_imports"]
