"""One factor for every wait of the tests: `BLOG_TEST_PATIENCE=3` triples the deadlines on a slow or busy machine."""

import os

FACTOR = float(os.environ.get("BLOG_TEST_PATIENCE", "1"))


def seconds(wait: float) -> float:
    """Return a deadline that is `wait` seconds on an idle machine."""
    return wait * FACTOR
