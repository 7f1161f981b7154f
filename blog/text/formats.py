"""Dates, times and numbers as pages show them: in the language of the interface and the time zone of the blog.

Babel formats them, with the patterns of CLDR. A call of Babel takes 4 to 8 µs, so results are cached. It is imported at the first
use: the import takes 40 ms, which is no part of the start.
"""

import datetime as dt
import functools
import re
from dataclasses import dataclass

from blog.text import time_zones

INTERFACE_LANGUAGE = "en"
"""The language of labels, buttons and messages."""
_DEFAULT_LOCALE = "en_GB"
_VARIETY = re.compile(rf"{INTERFACE_LANGUAGE}(?:-[A-Za-z]{{4}})?-([A-Za-z]{{2}})(?![^-])")
"""A language tag with a region, and perhaps a script before it: `en-US`, `en-Latn-US`."""
_CACHED = 4_096


@dataclass(frozen=True, slots=True)
class Formats:
    """Formats for one language and time zone.

    `locale` is the name of a CLDR locale, such as `en_GB`, and `zone_label` names the zone, such as `America/New York`.

    A moment is a timestamp of any zone, or a date, which is in no zone.
    """

    locale: str
    zone: dt.tzinfo
    zone_label: str

    def local(self, moment: dt.datetime) -> dt.datetime:
        """Return the time that clocks of the zone show."""
        return moment.astimezone(self.zone)

    def date(self, moment: dt.date) -> dt.date:
        """Return the day of a moment."""
        return moment.astimezone(self.zone).date() if isinstance(moment, dt.datetime) else moment

    def day(self, moment: dt.date) -> str:
        """Return the day of a moment, such as `22 November 2026`."""
        return _long_date(self.date(moment), self.locale)

    def day_of_year(self, moment: dt.date) -> str:
        """Return the day of a moment without the year, such as `22 November`."""
        return _skeleton("MMMMd", self.date(moment), self.locale)

    def short_day(self, moment: dt.date) -> str:
        """Return the day of a moment without the year, abbreviated, such as `22 Nov`."""
        return _skeleton("MMMd", self.date(moment), self.locale)

    def month(self, moment: dt.date) -> str:
        """Return the month of a moment, such as `November 2026`."""
        return _skeleton("yMMMM", self.date(moment), self.locale)

    def time(self, moment: dt.datetime, width: str = "short") -> str:
        """Return the time of a moment with its zone, such as `10:00 UTC`. width: `medium` adds the seconds."""
        local = moment.astimezone(self.zone)
        clock = local.time().replace(second=local.second if width == "medium" else 0, microsecond=0)
        return f"{_time(clock, width, self.locale)} {_zone_label(local)}"

    def moment(self, moment: dt.datetime, width: str = "short") -> str:
        """Return the day and the time of a moment, such as `22 November 2026, 10:00 UTC`."""
        return f"{self.day(moment)}, {self.time(moment, width)}"

    def number(self, value: int) -> str:
        """Return a number with separators, such as `1,234`."""
        return str(value) if 0 <= value < 1_000 else _number(value, self.locale)


@functools.cache
def formats(language: str, time_zone: str) -> Formats:
    """Return the formats of a blog.

    language: the language of the blog, as a BCP 47 tag.
    time_zone: the IANA name of the time zone of the blog.
    """
    return Formats(interface_locale(language), time_zones.load(time_zone), time_zone.replace("_", " "))


def interface_locale(language: str) -> str:
    """Return the CLDR locale of the interface on a blog in a language: a variety of English, by default that of Britain.

    Other languages have English dates too, so that no page mixes languages.
    """
    variety = _VARIETY.match(language)
    if variety is None:
        return _DEFAULT_LOCALE
    from babel import localedata

    locale = f"{INTERFACE_LANGUAGE}_{variety[1].upper()}"
    return locale if localedata.exists(locale) else _DEFAULT_LOCALE


@functools.lru_cache(_CACHED)
def _long_date(day: dt.date, locale: str) -> str:
    from babel import dates

    return dates.format_date(day, "long", locale=locale)


@functools.lru_cache(_CACHED)
def _skeleton(skeleton: str, day: dt.date, locale: str) -> str:
    from babel import dates

    return dates.format_skeleton(skeleton, dt.datetime.combine(day, dt.time()), locale=locale)


@functools.lru_cache(_CACHED)
def _time(clock: dt.time, width: str, locale: str) -> str:
    from babel import dates

    return dates.format_time(clock, "medium" if width == "medium" else "short", locale=locale)


@functools.lru_cache(_CACHED)
def _number(value: int, locale: str) -> str:
    from babel import numbers

    return numbers.format_decimal(value, locale=locale)


def _zone_label(local: dt.datetime) -> str:
    """Return the abbreviation of a zone, such as `CET`, or its offset if it has none, such as `UTC+05:45`."""
    name = local.tzname() or ""
    return name if name.isalpha() else f"UTC{name[:3]}{f':{name[3:]}' if name[3:] else ''}"
