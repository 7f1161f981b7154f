"""Sums by labels, kept in plain dicts: to add to one takes less than a microsecond, whoever reads them does so in bulk."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

Labels = tuple[str, ...]
Mode = Literal["livesum", "livemostrecent"]
"""What several workers make of a level: the sum of those that live, or what one of them said last."""


class Instrument:
    """Something that is measured. `labels` are the names of the values that each measurement gives, in this order."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        self.name, self.help, self.labels = name, help, tuple(labels)


class Counter(Instrument):
    """Only grows; its name ends in `_total`. Give labels few values, and none that a client chooses."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, help, labels)
        self._sums: defaultdict[Labels, float] = defaultdict(float)

    def inc(self, *labels: str, by: float = 1) -> None:
        """Count one more, or several."""
        self._sums[labels] += by

    def drain(self) -> dict[Labels, float]:
        """What was added since the last time."""
        taken, self._sums = self._sums, defaultdict(float)
        return taken


class Histogram(Instrument):
    """How often something took how many seconds, in buckets: each counts what took no longer than its bound."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), *, buckets: Sequence[float]) -> None:
        super().__init__(name, help, labels)
        self.buckets = tuple(buckets)
        self._rows: dict[Labels, list[float]] = {}

    def observe(self, seconds: float, *labels: str) -> None:
        """It took so long once more."""
        row = self._rows.get(labels)
        if row is None:
            row = self._rows[labels] = [0] * (len(self.buckets) + 2)
        row[bisect_left(self.buckets, seconds)] += 1
        row[-1] += seconds

    def drain(self) -> dict[Labels, list[float]]:
        """What was added since the last time: a number for each bucket and for what took longer, then the sum in seconds."""
        taken, self._rows = self._rows, {}
        return taken


class Gauge(Instrument):
    """Goes up and down."""

    def __init__(self, name: str, help: str, labels: Sequence[str] = (), *, mode: Mode = "livesum") -> None:
        super().__init__(name, help, labels)
        self.mode: Mode = mode
        self._values: dict[Labels, float] = {}

    def set(self, value: float, *labels: str) -> None:
        """It is so much now."""
        self._values[labels] = value

    def inc(self, by: float, *labels: str) -> None:
        """It is more now, or less."""
        self._values[labels] = self._values.get(labels, 0) + by

    def values(self) -> dict[Labels, float]:
        """How it stands."""
        return self._values
