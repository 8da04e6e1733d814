"""Tools to test hosts and plugins: contract test suites, fake providers, and a real host to run them.

Only the contracts need pytest (``pip install "orbit-inference[testing]"``). Importing this package does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orbit.builtin.echo import Echo
    from orbit.testing.contract import (
        BaseEmbedContract,
        BaseFetchContract,
        BaseGenerateContract,
        BaseIndexContract,
        BaseLogContract,
        BaseModerateContract,
        BaseProviderContract,
        BaseReadContract,
        BaseRerankContract,
        BaseRetrieveContract,
        BaseSplitContract,
        BaseToolsContract,
        BaseWrapperContract,
    )
    from orbit.testing.fakes import Backwards, Bag, Cabinet, Caller, Clock, Diary, Guard, Script, Shelf
    from orbit.testing.hosting import RunningServer, host, make_host, serve

__all__ = [
    "Backwards",
    "Bag",
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
    "Cabinet",
    "Caller",
    "Clock",
    "Diary",
    "Echo",
    "Guard",
    "RunningServer",
    "Script",
    "Shelf",
    "host",
    "make_host",
    "serve",
]

_HOSTING = ("RunningServer", "host", "make_host", "serve")


def __getattr__(name: str) -> Any:
    """Import names on first use: pytest loads this package even in suites that use none of it."""
    if name not in __all__:
        raise AttributeError(f"module 'orbit.testing' has no attribute '{name}'")
    part = "contract" if name.startswith("Base") else "hosting" if name in _HOSTING else "fakes"
    return getattr(import_module(f"orbit.testing.{part}"), name)
