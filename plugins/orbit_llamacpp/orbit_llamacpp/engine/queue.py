"""A queue of requests waiting for a free sequence, fair among API keys."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable

from orbit_llamacpp.engine.request import Request


class FairQueue:
    """First in, first out within a key. Among keys, the one with the fewest running requests, then the longest wait."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[str, deque[Request]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))

    def push(self, request: Request) -> None:
        """Add a request after those of its key."""
        self._by_key.setdefault(request.key, deque()).append(request)

    def pop(self, running: Iterable[Request]) -> Request | None:
        """Remove and return the next request to run."""
        if not self._by_key:
            return None
        busy = Counter(request.key for request in running)
        key = min(self._by_key, key=lambda key: busy[key])  # the first of equals: keys are in order of their turn
        waiting = self._by_key.pop(key)
        request = waiting.popleft()
        if waiting:
            self._by_key[key] = waiting  # at the end: the other keys' turn comes first
        return request

    def remove(self, request_id: int) -> bool:
        """Remove a cancelled request; return False if it is not waiting here."""
        for key, waiting in self._by_key.items():
            for request in waiting:
                if request.id == request_id:
                    waiting.remove(request)
                    if not waiting:
                        del self._by_key[key]
                    return True
        return False
