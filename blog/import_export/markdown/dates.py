"""Dates as blogs write them, to UTC instants."""

import datetime as dt
import re

_DATE_PATTERN = re.compile(
    r"""(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})
        (?:(?:[Tt]|[ \t]+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?
           [ \t]*(?P<zone>[Zz]|UTC|GMT|(?P<sign>[+-])(?P<ahead>\d{1,2})(?::?(?P<ahead_minutes>\d{2}))?)?)?""",
    re.VERBOSE | re.ASCII,
)


def parse(value: object) -> dt.datetime:
    """A date or instant as a UTC instant: a date is its first moment, no zone means UTC. Raises ValueError.

    Takes what YAML and TOML give and text such as `2024-5-31`, `2024-05-31 9:00:00 +0900`, `2024-05-31T09:00:00.5Z`
    or `2024-05-31 09:00 -4`.
    """
    try:
        if isinstance(value, dt.datetime):
            return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        if isinstance(value, dt.date):
            return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
        match = _DATE_PATTERN.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError("this is no date")
        return _to_datetime(match).astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("this date is out of range") from None


def _to_datetime(match: re.Match[str]) -> dt.datetime:
    day = [int(match[name]) for name in ("year", "month", "day")]
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    microsecond = int((match["fraction"] or "")[:6].ljust(6, "0"))
    return dt.datetime(day[0], day[1], day[2], hour, minute, second, microsecond, tzinfo=_timezone(match))


def _timezone(match: re.Match[str]) -> dt.timezone:
    if not match["sign"]:
        return dt.UTC
    ahead = dt.timedelta(hours=int(match["ahead"]), minutes=int(match["ahead_minutes"] or 0))
    return dt.timezone(-ahead if match["sign"] == "-" else ahead)
