"""Random writers, followers that drop and return, servers killed at any moment: no event is lost, doubled or out of order.

`BLOG_TEST_KILL_SECONDS` makes it run longer, `BLOG_TEST_KILL_SEED` repeats a run; so does `python -m tests.benchmarks.followers`.
"""

import os
from pathlib import Path

import pytest

from tests.benchmarks.followers import run

SECONDS = float(os.environ.get("BLOG_TEST_KILL_SECONDS", "8"))
SEED = int(os.environ.get("BLOG_TEST_KILL_SEED", "20261123"))


@pytest.mark.timeout(120 + 3 * SECONDS)
async def test_followers_of_one_to_five_channels_receive_each_event_once_in_order(home: Path) -> None:
    for transport, result in (await run(home, SECONDS, SEED)).items():
        assert result.faults == 0, (transport, result)
        assert result.followers == 5
        assert result.received > 0
