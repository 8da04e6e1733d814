"""Tests of what the hooks' documentation promises. Plugin authors subclass a contract and override its fixtures.

Importing this package needs pytest and pytest-asyncio: ``pip install "orbit-inference[testing]"``.
"""

from orbit.testing.contract.embed import BaseEmbedContract
from orbit.testing.contract.fetch import BaseFetchContract
from orbit.testing.contract.generate import BaseGenerateContract
from orbit.testing.contract.index import BaseIndexContract
from orbit.testing.contract.log import BaseLogContract
from orbit.testing.contract.moderate import BaseModerateContract
from orbit.testing.contract.provider import BaseProviderContract
from orbit.testing.contract.read import BaseReadContract
from orbit.testing.contract.rerank import BaseRerankContract
from orbit.testing.contract.retrieve import BaseRetrieveContract
from orbit.testing.contract.split import BaseSplitContract
from orbit.testing.contract.tools import BaseToolsContract
from orbit.testing.contract.wrap import BaseWrapperContract

__all__ = [
    "BaseEmbedContract",
    "BaseFetchContract",
    "BaseGenerateContract",
    "BaseIndexContract",
    "BaseLogContract",
    "BaseModerateContract",
    "BaseProviderContract",
    "BaseReadContract",
    "BaseRerankContract",
    "BaseRetrieveContract",
    "BaseSplitContract",
    "BaseToolsContract",
    "BaseWrapperContract",
]
