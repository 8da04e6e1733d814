"""For tests of hosts and plugins: contracts that say whether a plugin is right, fakes, and a real host that runs them.

The contracts need pytest (``pip install "orbit-inference[testing]"``); the rest does not, nor does importing this.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orbit.builtin.echo import Echo
    from orbit.testing.contract import (
        BaseEmbedContract,
        BaseGenerateContract,
        BaseIndexContract,
        BaseLogContract,
        BaseModerateContract,
        BaseProviderContract,
        BaseRerankContract,
        BaseRetrieveContract,
        BaseWrapperContract,
    )
    from orbit.testing.fakes import Backwards, Bag, Cabinet, Clock, Diary, Guard, Script, Shelf
    from orbit.testing.hosting import RunningServer, host, make_host, serve

__all__ = [
    "Backwards",
    "Bag",
    "BaseEmbedContract",
    "BaseGenerateContract",
    "BaseIndexContract",
    "BaseLogContract",
    "BaseModerateContract",
    "BaseProviderContract",
    "BaseRerankContract",
    "BaseRetrieveContract",
    "BaseWrapperContract",
    "Cabinet",
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
    """Import what is asked for when it is asked for: pytest loads this package in suites that use none of it."""
    if name not in __all__:
        raise AttributeError(f"module 'orbit.testing' has no attribute '{name}'")
    part = "contract" if name.startswith("Base") else "hosting" if name in _HOSTING else "fakes"
    return getattr(import_module(f"orbit.testing.{part}"), name)
