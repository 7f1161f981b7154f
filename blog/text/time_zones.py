"""Time zones of the IANA database, such as `Europe/Berlin`."""

import datetime as dt
import functools
import zoneinfo

UTC = "UTC"
_FIRST_DAY, _LAST_DAY = dt.date(2, 1, 1), dt.date(9999, 12, 30)
"""The days that can be converted to UTC from any zone."""
_REGIONS = frozenset(
    ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
)  # fmt: skip


@functools.cache
def zone_names() -> tuple[str, ...]:
    """Return UTC and the names of all zones of a region, sorted. Without a database of time zones it is UTC alone.

    Left out are names without a region, such as `EST5EDT` and `localtime`. Browsers may name a zone by an older name, such as
    `Asia/Calcutta`: these are in the list.
    """
    named = zoneinfo.available_timezones()  # reads the folders of the database: 20 ms
    return (UTC, *sorted(name for name in named if name.partition("/")[0] in _REGIONS))


def zones_by_region() -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the zones of each region, as pairs of a name and a label: `("Europe/Berlin", "Berlin")`."""
    regions: dict[str, list[tuple[str, str]]] = {}
    for name in zone_names():
        region, _, place = name.partition("/")
        if place:
            regions.setdefault(region, []).append((name, place.replace("_", " ").replace("/", ": ")))
    return {region: tuple(zones) for region, zones in regions.items()}


class SkippedTime(ValueError):
    """A time that does not exist in a zone, because clocks are put forward over it."""

    def __init__(self, before: dt.datetime, after: dt.datetime) -> None:
        """before, after: what the clocks show when they are put forward, and what they show then."""
        super().__init__(f"{before} is followed by {after}")
        self.before, self.after = before, after


@functools.cache
def load(name: str) -> dt.tzinfo:
    """Return a time zone by its name. Raises ZoneInfoNotFoundError."""
    return dt.UTC if name == UTC else zoneinfo.ZoneInfo(name)


def to_utc(local: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return the instant at which clocks of a zone show a time. A time that they show twice is the first of both.

    local: without a time zone.

    Raises SkippedTime, and OverflowError if the instant is outside the calendar.
    """
    early, late = (local.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if late < early:  # in a gap, `fold=0` applies the offset before it, `fold=1` the offset after it
        change = _find_change(late, early, zone)
        raise SkippedTime(change + _offset(late, zone), change + _offset(early, zone))
    return early


def start_of_day(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return the first instant of a day in a zone, in UTC. Not always midnight: in some zones clocks skip it."""
    # In a gap, the offset before it applies (`fold=0`), which gives the instant at which the clocks are put forward.
    day = min(max(day, _FIRST_DAY), _LAST_DAY)
    return dt.datetime.combine(day, dt.time(), zone).astimezone(dt.UTC)


def end_of_day(day: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """Return the first instant after a day in a zone, in UTC."""
    return start_of_day(min(day, _LAST_DAY) + dt.timedelta(days=1), zone)


def _offset(instant: dt.datetime, zone: dt.tzinfo) -> dt.timedelta:
    return instant.astimezone(zone).utcoffset() or dt.timedelta()


def _find_change(low: dt.datetime, high: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """Return the minute between two instants at which the offset of a zone changes, without a time zone."""
    while high - low > dt.timedelta(minutes=1):
        middle = low + (high - low) // 2
        low, high = (middle, high) if _offset(middle, zone) == _offset(low, zone) else (low, middle)
    return high.replace(second=0, microsecond=0, tzinfo=None)
