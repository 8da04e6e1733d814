"""Full-text search for ORBIT: exact words, codes and names in every language."""

from orbit_lexical.provider import LexicalProvider
from orbit_lexical.settings import LexicalSettings

__all__ = ["LexicalProvider", "LexicalSettings"]
