"""Three processes behind nginx, with PostgreSQL and Redis, act as one blog. `tests/benchmarks/cluster.py` runs longer."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.cluster import Loss, flag_changes, freshness, limits, losses, sign_outs
from tests.support.cluster import Cluster, cluster
from tests.support.tools import tool

WRITES = int(os.environ.get("BLOG_TEST_CLUSTER_WRITES", "12"))
PATIENCE_MS = 2000
"""Limit in ms: far above the usual delay, far below the 5 s after which the log is read without a notification."""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Cluster]:
    tool("nginx")
    with cluster(tmp_path, 3) as started:
        yield started


async def test_processes_act_as_one_blog_during_partial_outages(running: Cluster) -> None:
    found = await freshness(running, WRITES)
    assert found.own == WRITES, "clients read their own writes"
    assert max(found.took) < PATIENCE_MS
    assert len(found.heard[0]) == len(set(found.heard[0])) == WRITES
    assert found.heard[0] == found.heard[1] == found.heard[2], "one order for all"
    assert await sign_outs(running, 3) == 0
    assert max(await flag_changes(running, 2)) < PATIENCE_MS
    left = await limits(running, 6)
    assert left == list(range(left[0], left[0] - 6, -1)), "counted together"
    for step in losses(running, 0):
        check(await step())


def check(loss: Loss) -> None:
    assert set(loss.before) == {200, 201}
    if loss.name == "PostgreSQL":
        assert set(loss.during) <= {200, 201, 503}, "kept answers, and a plain word that it cannot serve"
        assert 503 in loss.during
    elif loss.name == "Redis":
        assert set(loss.during) <= {200, 201}, "clients see no error"
    else:
        # A write that had reached the process when it died is never sent twice.
        assert set(loss.during) <= {200, 201, 502}
        assert loss.during.get(502, 0) <= 2
    assert {200, 201} <= set(loss.after)
    assert loss.longest < 10
