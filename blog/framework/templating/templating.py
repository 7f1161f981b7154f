"""Jinja templates: compiled once, everything escaped, links by route name."""

import datetime as dt
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from blog.domain.core.context import Site
from blog.framework.templating.assets import load_asset
from blog.framework.templating.image_sizes import ImageSizes
from blog.framework.templating.resources import resource_dir
from blog.framework.urls.urls import UrlBuilder
from blog.observability import server_timing
from blog.text.table_of_contents import list_headings
from blog.text.user_agents import describe

_WORDS_PER_MINUTE = 230


class Templates:
    """The pages and fragments of the blog. Live updates send the very fragments that the pages include."""

    def __init__(self, site: Site, urls: UrlBuilder, image_sizes: ImageSizes) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(resource_dir("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,  # looking for a change at each rendering costs a fifth of it
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            blog_name=_BlogName(site),
            path=urls.path,
            url=urls.url,
            static=static_url,
            list_headings=list_headings,
        )
        self._environment.filters.update(
            day=format_date,
            instant=format_rfc3339,
            minutes=reading_minutes,
            initials=initials,
            browser=describe,
            html=Markup,
            with_image_sizes=image_sizes.with_image_sizes,
        )

    def render(self, name: str, **values: Any) -> str:
        """A template with its values; a value that is missing is an error, never an empty place."""
        with server_timing.measure("render"):
            return self._environment.get_template(name).render(values)


class _BlogName:
    """The title of the blog as text that is always the present one: Jinja keeps what it gave to an imported macro."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __str__(self) -> str:
        return self._site.title


def format_date(moment: dt.datetime) -> str:
    """For readers, such as `22 November 2026`."""
    return f"{moment.day} {moment:%B %Y}"


def format_rfc3339(moment: dt.datetime) -> str:
    """For machines (RFC 3339), such as `2026-11-22T10:00:00Z`."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reading_minutes(words: int) -> int:
    """How long a reader takes for so many words: at least one minute."""
    return max(1, round(words / _WORDS_PER_MINUTE))


def initials(name: str) -> str:
    """The first letters of the first and the last word, such as `AL`."""
    words = name.split()
    return "".join(word[0] for word in dict.fromkeys((words[0], words[-1]))).upper() if words else ""


def static_url(name: str) -> str:
    """The address of a static file, which bears the digest of its content, so that it can be cached for ever."""
    return load_asset(name).url
