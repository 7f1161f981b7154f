"""The list of time zones."""

import datetime as dt
import zoneinfo

import pytest

from blog.text import time_zones


def test_zones_are_those_of_regions_and_utc() -> None:
    names = time_zones.zone_names()
    assert names[0] == "UTC"
    assert {"Europe/Berlin", "America/Argentina/Ushuaia", "Asia/Calcutta", "Asia/Kolkata", "Pacific/Apia"} <= set(names)
    assert not {"localtime", "Factory", "EST5EDT", "posixrules", "Etc/GMT+5"} & set(names)
    for name in names:
        assert zoneinfo.ZoneInfo(name).key == name


def test_each_zone_has_a_place_in_its_region() -> None:
    regions = time_zones.zones_by_region()
    assert ("America/Argentina/Ushuaia", "Argentina: Ushuaia") in regions["America"]
    assert ("America/New_York", "New York") in regions["America"]
    assert 1 + sum(map(len, regions.values())) == len(time_zones.zone_names())


BERLIN = time_zones.load("Europe/Berlin")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-29T01:59", "2026-03-29T00:59"),
        ("2026-03-29T03:00", "2026-03-29T01:00"),
        ("2026-10-25T01:59", "2026-10-24T23:59"),
        ("2026-10-25T02:00", "2026-10-25T00:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30"),
        ("2026-10-25T03:00", "2026-10-25T02:00"),
    ],
)
def test_local_times_around_the_changes_of_summer_time(local: str, utc: str) -> None:
    found = time_zones.to_utc(dt.datetime.fromisoformat(local), BERLIN)
    assert found == dt.datetime.fromisoformat(f"{utc}Z"), "the first of two"


@pytest.mark.parametrize(
    ("zone", "local", "before", "after"),
    [
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T02:00", "2026-03-29T03:00"),
        ("Europe/Berlin", "2026-03-29T02:59", "2026-03-29T02:00", "2026-03-29T03:00"),
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-04T02:00", "2026-10-04T02:30"),
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T00:00", "2011-12-31T00:00"),
    ],
)
def test_time_that_clocks_skip_is_refused(zone: str, local: str, before: str, after: str) -> None:
    with pytest.raises(time_zones.SkippedTime) as refused:
        time_zones.to_utc(dt.datetime.fromisoformat(local), time_zones.load(zone))
    assert (refused.value.before, refused.value.after) == tuple(map(dt.datetime.fromisoformat, (before, after)))


@pytest.mark.parametrize(
    ("zone", "day", "start", "end"),
    [
        ("UTC", "2026-11-29", "2026-11-29T00:00", "2026-11-30T00:00"),
        ("America/Los_Angeles", "2026-11-29", "2026-11-29T08:00", "2026-11-30T08:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00"),  # clocks skip midnight
        ("America/Havana", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),  # and here they show it twice
    ],
)
def test_days_have_23_to_25_hours(zone: str, day: str, start: str, end: str) -> None:
    date, tz = dt.date.fromisoformat(day), time_zones.load(zone)
    expected = tuple(dt.datetime.fromisoformat(f"{text}Z") for text in (start, end))
    assert (time_zones.start_of_day(date, tz), time_zones.end_of_day(date, tz)) == expected


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_days_at_the_ends_of_the_calendar(zone: str) -> None:
    tz = time_zones.load(zone)
    assert time_zones.start_of_day(dt.date.min, tz) < time_zones.end_of_day(dt.date.max, tz)
