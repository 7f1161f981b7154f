"""Bar charts of daily numbers: coordinates for an SVG image, 100 units high and 10 units wide per day."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.domain.site.statistics import Day

HEIGHT = 100
_BAR_STEP, _BAR_WIDTH = 10, 8
_MIN_SCALE_MAXIMUM = 4  # a single post is a quarter of the height
_SERIES = ("views", "posts", "comments")


@dataclass(frozen=True, slots=True)
class Bar:
    """The value of a day and its rectangle."""

    day: Day
    value: int
    x: int
    y: float
    width: int
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A series of days. `maximum` is the largest value, `width` the width of the image."""

    name: str
    total: int
    maximum: int
    width: int
    bars: Sequence[Bar]


def daily_charts(days: Sequence[Day]) -> Sequence[Chart]:
    """Return the charts of views, posts and comments."""
    return [_chart(name, days, [getattr(day, name) for day in days]) for name in _SERIES]


def _chart(name: str, days: Sequence[Day], values: Sequence[int]) -> Chart:
    maximum = max(values, default=0)
    scale_maximum = max(maximum, _MIN_SCALE_MAXIMUM)
    bars = [_bar(index, day, value, scale_maximum) for index, (day, value) in enumerate(zip(days, values, strict=True))]
    return Chart(name, sum(values), maximum, len(bars) * _BAR_STEP, bars)


def _bar(index: int, day: Day, value: int, scale_maximum: int) -> Bar:
    # At least 2 units: a small value stays visible.
    height = max(2.0, round(HEIGHT * value / scale_maximum, 1)) if value else 0.0
    return Bar(day, value, index * _BAR_STEP + (_BAR_STEP - _BAR_WIDTH) // 2, HEIGHT - height, _BAR_WIDTH, height)
