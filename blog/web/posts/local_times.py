"""Times in forms: people read and type them in the time zone of the blog, and they are stored in UTC."""

import datetime as dt

from blog.framework.request.forms import Form
from blog.text.formats import Formats
from blog.text.time_zones import SkippedTime, to_utc


def field_value(moment: dt.datetime | None, formats: Formats) -> str:
    """Return the value of an input of the type `datetime-local`: without seconds and zone."""
    return f"{formats.local(moment):%Y-%m-%dT%H:%M}" if moment else ""


def submitted_time(form: Form, name: str, formats: Formats, stored: dt.datetime | None) -> str | None:
    """Return the time in a field as an RFC 3339 timestamp, or None if there is none or it does not exist, with a message.

    stored: the time that the form was opened with. If it was not changed, it is returned with its seconds, and with the hour that
    it had if clocks show the typed time twice. Another value is returned as typed: the model of the form rejects it.
    """
    text = form.value(name)
    if not text:
        return None
    if stored is not None and text == field_value(stored, formats):
        return stored.isoformat()
    try:
        local = dt.datetime.fromisoformat(text)
        return to_utc(local, formats.zone).isoformat() if local.tzinfo is None and len(text) > len("2026-05-01") else f"{text}Z"
    except SkippedTime as error:
        form.errors[name] = (
            f"There is no such time in {formats.zone_label}: clocks go from {_clock(error.before, error.after)} to "
            f"{_clock(error.after, error.before)}. Choose another time"
        )
        return None
    except (ValueError, OverflowError):
        return f"{text}Z"


def _clock(local: dt.datetime, other: dt.datetime) -> str:
    """Return a time as text, with its day if another one is on another day."""
    return f"{local:%H:%M}" if local.date() == other.date() else f"{local:%Y-%m-%d %H:%M}"
