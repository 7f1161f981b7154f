"""Parsing of the date formats that blogs use."""

import datetime as dt
import re

_DATE_PATTERN = re.compile(
    r"""(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})
        (?:(?:[Tt]|[ \t]+)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?
           [ \t]*(?P<zone>[Zz]|UTC|GMT|(?P<sign>[+-])(?P<offset_hours>\d{1,2})(?::?(?P<offset_minutes>\d{2}))?)?)?""",
    re.VERBOSE | re.ASCII,
)
# `May 8, 2020`, `Jul 08 2022 09:00`, `8 May 2020`, `Fri, 08 May 2020 10:00:00 +0000`
_NAMED_MONTH = re.compile(
    r"""(?:[a-z]{3,9}\.?,?[ ]+)??
        (?:(?P<month>[a-z]{3,9})\.?[ ]+(?P<day>\d{1,2})(?:st|nd|rd|th)?
          |(?P<day_first>\d{1,2})(?:st|nd|rd|th)?[ ]+(?P<month_last>[a-z]{3,9})\.?)
        ,?[ ]+(?P<year>\d{4})(?:,?[ ]+(?P<time>.+))?""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATED_NAME = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})[-_](.+)", re.DOTALL | re.ASCII)
_DATED_PATH = re.compile(r"(?:.*/)?(\d{4}/\d{1,2}/\d{1,2})/([^/]+)/?", re.ASCII)


def parse(value: object) -> dt.datetime:
    """Return a date or timestamp as an aware UTC datetime. A date means midnight; without a time zone it is UTC.

    `value` is a `date` or `datetime` from YAML or TOML, or text such as `2024-5-31`, `2024-05-31 9:00:00 +0900`,
    `2024-05-31T09:00:00.5Z`, `2024-05-31 09:00 -4`, `May 31, 2024` or `31 May 2024 09:00`. Raises ValueError.
    """
    try:
        if isinstance(value, dt.datetime):
            return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
        if isinstance(value, dt.date):
            return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
        match = _DATE_PATTERN.fullmatch(_with_month_number(value.strip())) if isinstance(value, str) else None
        if match is None:
            raise ValueError("not a date")
        return _to_datetime(match).astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("date out of range") from None


def split_dated_name(stem: str) -> tuple[dt.datetime | None, str]:
    """Split the stem of a file such as `2024-05-31-tips` into date and name; without a valid date all of it is the name."""
    return _split_date(_DATED_NAME.fullmatch(stem)) or (None, stem)


def split_dated_path(path: str) -> tuple[dt.datetime | None, str]:
    """Split a path such as `blog/2024/05/31/tips` into date and slug; without a valid date the slug is empty."""
    return _split_date(_DATED_PATH.fullmatch(path)) or (None, "")


def _split_date(match: re.Match[str] | None) -> tuple[dt.datetime, str] | None:
    try:
        return (parse(match[1]), match[2]) if match else None
    except ValueError:
        return None


def _to_datetime(match: re.Match[str]) -> dt.datetime:
    year, month, day, hour, minute, second = (
        int(match[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    microsecond = int((match["fraction"] or "")[:6].ljust(6, "0"))
    return dt.datetime(year, month, day, hour, minute, second, microsecond, tzinfo=_timezone(match))


def _with_month_number(text: str) -> str:
    """Return `May 31, 2024 09:00` as `2024-05-31 09:00`; other text unchanged."""
    match = _NAMED_MONTH.fullmatch(text)
    month = (match["month"] or match["month_last"])[:3].lower() if match else ""
    if match is None or month not in _MONTHS:
        return text
    day, time = match["day"] or match["day_first"], f" {match['time']}" if match["time"] else ""
    return f"{match['year']}-{_MONTHS.index(month) + 1}-{day}{time}"


def _timezone(match: re.Match[str]) -> dt.timezone:
    if not match["sign"]:
        return dt.UTC
    offset = dt.timedelta(hours=int(match["offset_hours"]), minutes=int(match["offset_minutes"] or 0))
    return dt.timezone(-offset if match["sign"] == "-" else offset)
