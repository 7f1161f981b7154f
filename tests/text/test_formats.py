"""Dates, times and numbers for pages, and imports that the start does not pay for."""

import datetime as dt
import subprocess
import sys

import pytest

from blog.text.formats import formats, interface_locale

MOMENT = dt.datetime(2026, 11, 30, 7, 19, 5, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("language", "locale"),
    [
        ("en", "en_GB"), ("en-US", "en_US"), ("en-Latn-CA", "en_CA"), ("en-ZZ", "en_GB"), ("en-x-au", "en_GB"),
        ("de", "en_GB"), ("de-US", "en_GB"), ("ar", "en_GB"),
    ],
)  # fmt: skip
def test_interface_is_english_in_the_variety_of_the_site(language: str, locale: str) -> None:
    assert interface_locale(language) == locale


@pytest.mark.parametrize(
    ("language", "time_zone", "moment", "short_day"),
    [
        ("en", "UTC", "30 November 2026, 07:19 UTC", "30 Nov"),
        ("de", "Europe/Berlin", "30 November 2026, 08:19 CET", "30 Nov"),
        ("en", "America/Los_Angeles", "29 November 2026, 23:19 PST", "29 Nov"),
        ("en-US", "America/Los_Angeles", "November 29, 2026, 11:19\u202fPM PST", "Nov 29"),
        ("en", "Asia/Kathmandu", "30 November 2026, 13:04 UTC+05:45", "30 Nov"),
        ("en", "Europe/Istanbul", "30 November 2026, 10:19 UTC+03", "30 Nov"),
    ],
)
def test_moments_are_in_the_time_zone(language: str, time_zone: str, moment: str, short_day: str) -> None:
    found = formats(language, time_zone)
    assert (found.moment(MOMENT), found.short_day(MOMENT)) == (moment, short_day)
    assert (found.day(MOMENT), found.time(MOMENT)) == tuple(moment.rsplit(", ", 1))


def test_parts_of_a_moment() -> None:
    found = formats("en", "Europe/London")
    assert (found.month(MOMENT), found.day_of_year(MOMENT)) == ("November 2026", "30 November")
    assert found.moment(MOMENT, "medium") == "30 November 2026, 07:19:05 GMT"
    assert found.day(dt.date(2026, 5, 1)) == "1 May 2026", "a date is in no zone"


def test_zone_distinguishes_the_repeated_hour() -> None:
    berlin = formats("de", "Europe/Berlin")
    hours = [dt.datetime(2026, 10, 25, hour, 30, tzinfo=dt.UTC) for hour in (0, 1)]
    assert [berlin.time(hour) for hour in hours] == ["02:30 CEST", "02:30 CET"]


@pytest.mark.parametrize(("language", "text"), [("en", "1,234,567"), ("en-US", "1,234,567"), ("en-IN", "12,34,567")])
def test_numbers_have_the_separators_of_the_locale(language: str, text: str) -> None:
    found = formats(language, "UTC")
    assert (found.number(1_234_567), found.number(0), found.number(999)) == (text, "0", "999")


def test_start_does_not_import_babel() -> None:
    code = "import sys, blog.asgi; sys.exit('babel' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
