"""Three ORBIT hosts on machines of their own share limits and revocations, and survive the loss of any machine."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from cluster import CACHE_SECONDS, FAULTS, HOSTS, Cluster, running, suffer
from netns import NotPermitted
from serve_kit import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]
LIMIT = 30
SECONDS = 2.0


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(running(tmp_path_factory.mktemp("cluster")))
        except NotPermitted as error:
            pytest.skip(str(error))
        yield made


def test_limits_and_revocations_hold_on_all_hosts(cluster: Cluster) -> None:
    limited = cluster.make_key("--requests-per-minute", str(LIMIT))
    assert cluster.ask_all(limited, LIMIT // 3) == {"ok": LIMIT, "429 rate_limited": LIMIT}
    dead, *others = HOSTS
    cluster.hosts[dead].stop(signal.SIGKILL)
    assert cluster.ask_all(limited, 1, tuple(others)) == {"429 rate_limited": 4}, (
        "what the dead host counted still counts"
    )
    cluster.limit(limited, LIMIT + 5)
    time.sleep(CACHE_SECONDS)
    assert cluster.ask_all(limited, 4, tuple(others)) == {"ok": 5, "429 rate_limited": 11}
    cluster.start_host(dead)
    key = cluster.make_key()
    assert cluster.ask_all(key, 1) == {"ok": 2 * len(HOSTS)}
    cluster.revoke(key)
    time.sleep(CACHE_SECONDS)
    assert cluster.ask_all(key, 1) == {"401 unauthorized": 2 * len(HOSTS)}


def test_budgets_are_exact_on_all_hosts(cluster: Cluster) -> None:
    key = cluster.make_key("--requests-per-day", str(LIMIT), "--tokens-per-month", "1000000000")
    assert cluster.ask_all(key, LIMIT // 3) == {"ok": LIMIT, "429 budget_exceeded": LIMIT}
    dead, *others = HOSTS
    cluster.hosts[dead].stop(signal.SIGKILL)
    assert cluster.ask_all(key, 1, tuple(others)) == {"429 budget_exceeded": 4}, "what the dead host counted counts"
    cluster.start_host(dead)
    assert cluster.ask_all(key, 1) == {"429 budget_exceeded": 2 * len(HOSTS)}
    budgets = cluster.budgets(key)
    assert budgets["requests_per_day"] == LIMIT
    assert budgets["tokens_per_month"] > LIMIT


def test_whatever_fails_nobody_gets_a_wrong_answer(cluster: Cluster) -> None:
    """What is common may be missing for a while; one host of three may not be missed."""
    cluster.ask_from(6)
    for fault in FAULTS:
        during, _ = suffer(cluster, fault, SECONDS)
        outcomes = Counter(answer.outcome for answer in during)
        allowed = r"ok" if "host" in fault else r"ok|503 \w+_unavailable"
        unexpected = [outcome for outcome in outcomes if not re.fullmatch(allowed, outcome)]
        assert not unexpected, (fault, outcomes)
        eventually(lambda: cluster.ask_all(cluster.key, 1) == {"ok": 2 * len(HOSTS)})
    cluster.end()
    _, lost = cluster.unlogged()
    assert lost == []
    assert max(cluster.logged().values()) == 1
