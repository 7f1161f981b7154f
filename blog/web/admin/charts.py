"""Numbers of days as bars: where each stands in a drawing of 100 units of height and 10 units of width for each day."""

from collections.abc import Sequence
from dataclasses import dataclass

from blog.domain.site.statistics import Day

HEIGHT = 100
_BAR_STEP, _BAR_WIDTH = 10, 8
_MIN_SCALE_MAXIMUM = 4  # a single post is no full height
_SERIES = ("views", "posts", "comments")


@dataclass(frozen=True, slots=True)
class Bar:
    """One day: its number, and the rectangle for it."""

    day: Day
    value: int
    x: int
    y: float
    width: int
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A series of days; `most` is the largest number, `width` that of the drawing."""

    name: str
    total: int
    maximum: int
    width: int
    bars: Sequence[Bar]


def daily_charts(days: Sequence[Day]) -> Sequence[Chart]:
    """Views, posts and comments of these days."""
    return [_chart(name, days, [getattr(day, name) for day in days]) for name in _SERIES]


def _chart(name: str, days: Sequence[Day], numbers: Sequence[int]) -> Chart:
    most = max(numbers, default=0)
    bars = [
        _bar(place, day, number, max(most, _MIN_SCALE_MAXIMUM))
        for place, (day, number) in enumerate(zip(days, numbers, strict=True))
    ]
    return Chart(name, sum(numbers), most, len(bars) * _BAR_STEP, bars)


def _bar(place: int, day: Day, number: int, ceiling: int) -> Bar:
    # What is little is still seen to be something.
    height = max(2.0, round(HEIGHT * number / ceiling, 1)) if number else 0.0
    return Bar(day, number, place * _BAR_STEP + (_BAR_STEP - _BAR_WIDTH) // 2, HEIGHT - height, _BAR_WIDTH, height)
