"""Jinja templates: compiled once, everything escaped, links by route name."""

import datetime as dt
import hashlib
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from blog import timings
from blog.http.folders import folder
from blog.http.illustrations import Illustrations
from blog.http.links import Links
from blog.settings import Settings
from blog.text.contents import contents

_WORDS_A_MINUTE = 230


class Templates:
    """The pages and fragments of the blog. Live updates send the very fragments that the pages include."""

    def __init__(self, settings: Settings, links: Links, illustrations: Illustrations) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(folder("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,  # looking for a change at each rendering costs a fifth of it
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            blog_name=settings.project_name,
            path=links.path,
            url=links.url,
            static=static,
            contents=contents,
        )
        self._environment.filters.update(
            day=day,
            instant=instant,
            minutes=minutes,
            html=Markup,
            illustrated=illustrations.illustrated,
        )

    def render(self, name: str, **values: Any) -> str:
        """A template with its values; a value that is missing is an error, never an empty place."""
        with timings.measured("render"):
            return self._environment.get_template(name).render(values)


def day(moment: dt.datetime) -> str:
    """For readers, such as `22 November 2026`."""
    return f"{moment.day} {moment:%B %Y}"


def instant(moment: dt.datetime) -> str:
    """For machines (RFC 3339), such as `2026-11-22T10:00:00Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minutes(words: int) -> int:
    """How long a reader takes for so many words: at least one minute."""
    return max(1, round(words / _WORDS_A_MINUTE))


@cache
def static(name: str) -> str:
    """The address of a static file with the digest of its content, so that it can be cached for ever."""
    content = (folder("static") / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
