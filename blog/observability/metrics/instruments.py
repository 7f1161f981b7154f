"""Counters, histograms and gauges in plain dicts. Adding to one takes less than 1 µs; readers drain them in bulk."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

Labels = tuple[str, ...]
Mode = Literal["livesum", "livemostrecent"]
"""How a gauge combines the values of several workers: their sum, or the most recent value."""


class Instrument:
    """A metric. `labels` are the names of its labels; each measurement passes their values in this order."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)


class Counter(Instrument):
    """A number that only grows; its name ends in `_total`. Labels must have few values, and none that a client chooses."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self._sums: defaultdict[Labels, float] = defaultdict(float)

    def inc(self, *labels: str, by: float = 1) -> None:
        """Add `by` to the counter."""
        self._sums[labels] += by

    def drain(self) -> dict[Labels, float]:
        """Return what was added since the last call, by label values."""
        sums, self._sums = self._sums, defaultdict(float)
        return sums


class Histogram(Instrument):
    """The distribution of durations. `buckets` are upper bounds in seconds; each bucket counts what took no longer."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), *, buckets: Sequence[float]) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)
        self._rows: dict[Labels, list[float]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        """Record one observation, in seconds."""
        row = self._rows.get(labels)
        if row is None:
            row = self._rows[labels] = [0] * (len(self.buckets) + 2)
        row[bisect_left(self.buckets, seconds)] += 1
        row[-1] += seconds

    def drain(self) -> dict[Labels, list[float]]:
        """Return the observations since the last call: a count per bucket and for longer ones, then the sum in seconds."""
        rows, self._rows = self._rows, {}
        return rows


class Gauge(Instrument):
    """A number that goes up and down."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), *, mode: Mode = "livesum") -> None:
        super().__init__(name, help, labels)
        self.mode: Mode = mode
        self._values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        """Set the gauge to `value`."""
        self._values[labels] = value

    def inc(self, by: float, *labels: str) -> None:
        """Add `by` to the gauge; `by` may be negative."""
        self._values[labels] = self._values.get(labels, 0) + by

    def values(self) -> dict[Labels, float]:
        """Return the current value for each label set."""
        return self._values
