"""For tests of hosts and plugins: fakes, and a real host that runs them."""

from orbit.testing.fakes import Backwards, Diary, Echo, Guard, Script, Shelf
from orbit.testing.hosting import RunningServer, host, make_host, serve

__all__ = ["Backwards", "Diary", "Echo", "Guard", "RunningServer", "Script", "Shelf", "host", "make_host", "serve"]
