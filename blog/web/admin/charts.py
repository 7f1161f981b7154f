"""Bar charts of daily numbers: coordinates for an SVG image, 100 units high and 10 units wide per day, and its axis labels."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from blog.domain.site.statistics import Day, ViewDay

HEIGHT = 100
_BAR_STEP, _BAR_WIDTH = 10, 8
_SMALL_SCALES = (4, 6, 8)  # a single post is a quarter of the height
_SCALE_DIGITS = (1, 2, 3, 4, 5, 6, 8)
_SERIES = ("views", "posts", "comments")


@dataclass(frozen=True, slots=True)
class Bar:
    """The value of a day and its rectangle."""

    date: dt.date
    value: int
    x: int
    y: float
    width: int
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A series of days. `maximum` is the largest value, `ticks` the labels of the vertical axis from top to bottom.

    `dates` are the labels of the horizontal axis, `width` is the width of the image.
    """

    name: str
    total: int
    maximum: int
    width: int
    ticks: Sequence[int]
    dates: Sequence[dt.date]
    bars: Sequence[Bar]


def daily_charts(days: Sequence[Day]) -> Sequence[Chart]:
    """Return the charts of views, posts and comments."""
    return [_chart(name, [(day.date, getattr(day, name)) for day in days]) for name in _SERIES]


def views_chart(days: Sequence[ViewDay]) -> Chart:
    """Return the chart of the views of one post."""
    return _chart("views", [(day.date, day.views) for day in days])


def _chart(name: str, series: Sequence[tuple[dt.date, int]]) -> Chart:
    values, dates = [value for _, value in series], [date for date, _ in series]
    maximum = max(values, default=0)
    top = _scale_top(maximum)
    bars = [_bar(index, date, value, top) for index, (date, value) in enumerate(series)]
    labelled = (dates[0], dates[len(dates) // 2], dates[-1])
    return Chart(name, sum(values), maximum, len(bars) * _BAR_STEP, (top, top // 2, 0), labelled, bars)


def _scale_top(maximum: int) -> int:
    """Return the value at the top of the vertical axis: a round even number, so that the tick in the middle is a whole one."""
    for small in _SMALL_SCALES:
        if maximum <= small:
            return small
    power = 10
    while True:
        for digit in _SCALE_DIGITS:
            if maximum <= digit * power:
                return digit * power
        power *= 10


def _bar(index: int, date: dt.date, value: int, top: int) -> Bar:
    # At least 2 units: a small value stays visible.
    height = max(2.0, round(HEIGHT * value / top, 1)) if value else 0.0
    return Bar(date, value, index * _BAR_STEP + (_BAR_STEP - _BAR_WIDTH) // 2, HEIGHT - height, _BAR_WIDTH, height)
