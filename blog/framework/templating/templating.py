"""Jinja templates: compiled once, with autoescape, and with links by route name."""

import datetime as dt
import functools
import secrets
from collections.abc import Callable, MutableMapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, nodes
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

from blog.domain.core.context import Site
from blog.domain.posts.models import Post
from blog.framework.templating.assets import load_asset
from blog.framework.templating.image_sizes import ImageSizes
from blog.framework.templating.resources import resource_dir
from blog.framework.urls.urls import UrlBuilder
from blog.observability import server_timing
from blog.text.formats import INTERFACE_LANGUAGE, Formats
from blog.text.table_of_contents import list_headings
from blog.text.user_agents import describe
from blog.text.word_count import reading_minutes

_FUNCTIONS = frozenset({"path", "url", "static", "post_card"})
"""Pure functions of templates: the result depends only on the arguments."""
_FORMATS = ("day", "day_of_year", "short_day", "month", "time", "moment", "number")
"""Methods of `Formats` that are filters of templates."""
_MAX_CARDS = 1_000
"""Rendered cards that are kept. A card has about 1.5 KB."""


class Templates:
    """Renders pages, and the fragments that both pages and live updates use."""

    def __init__(self, site: Site, urls: UrlBuilder, image_sizes: ImageSizes) -> None:
        self._site = site
        self._cached_card = functools.lru_cache(_MAX_CARDS)(self._render_card)
        site.runtime_settings.on_change.append(self._cached_card.cache_clear)  # cards show what the preferences say
        self._environment = _Environment(
            loader=FileSystemLoader(resource_dir("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,  # checking for changes takes 20 % of the rendering time
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            blog_name=_CurrentText(lambda: site.title),
            site_language=_CurrentText(lambda: site.runtime_settings.preferences.language),
            appearance=_CurrentAppearance(site),
            interface_language=INTERFACE_LANGUAGE,
            time_zone=_CurrentText(lambda: site.runtime_settings.preferences.time_zone),
            locale=_CurrentText(lambda: site.formats.locale.replace("_", "-")),
            zone_label=_CurrentText(lambda: site.formats.zone_label),
            list_headings=list_headings,
            new_form_key=new_form_key,
        )
        self._environment.filters.update(
            path=urls.path,
            url=urls.url,
            static=static_url,
            **{name: self._formatter(name) for name in _FORMATS},
            instant=format_rfc3339,
            minutes=reading_minutes,
            initials=initials,
            browser=describe,
            html=Markup,
            with_images=image_sizes.with_images,
            post_card=self._post_card,
        )

    def _formatter(self, name: str) -> Callable[..., str]:
        """Return a method of the current formats of the blog, which owners can change."""
        method = getattr(Formats, name)

        def format_value(*values: Any) -> str:
            text: str = method(self._site.formats, *values)
            return text

        return format_value

    def render(self, name: str, **values: Any) -> str:
        """Render a template. Raises UndefinedError if it uses a value that is missing."""
        with server_timing.measure("render"):
            return self._environment.get_template(name).render(values)

    def _post_card(self, post: Post, place: str = "post", *, is_lazy: bool = True) -> Markup:
        """Return the card of a post for lists. Cached by what it shows: 20 cards took a third of the time of a page."""
        return self._cached_card(post, place, is_lazy)

    def _render_card(self, post: Post, place: str, is_lazy: bool) -> Markup:
        module: Any = self._environment.get_template("posts/_parts.html").module
        card: Markup = module.card(post, place, is_lazy)
        return card


class _DirectCalls(NodeTransformer):
    """Turns calls of pure functions, such as `path('web:tag', tag=name)`, into filters with the same name.

    Jinja calls a filter directly, and at compile time if its arguments are constants. Each call of a function goes through
    `Context.call`, which takes 1.6 µs: a page of 20 posts has 100 links.
    """

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802 (the name is that of the node)
        """Return the filter for a call of one of the functions, else the call."""
        self.generic_visit(node)
        if not (isinstance(node.node, nodes.Name) and node.node.name in _FUNCTIONS and node.args):
            return node
        first, *others = node.args
        return nodes.Filter(first, node.node.name, others, node.kwargs, node.dyn_args, node.dyn_kwargs, lineno=node.lineno)


class _Environment(Environment):
    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template: nodes.Template = _DirectCalls().visit(super()._parse(source, name, filename))
        return template

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return the globals of a template as a plain dict: Jinja's `ChainMap` takes 20 µs for each import and each page."""
        return {**self.globals, **(d or {})}


class _CurrentText:
    """A text that owners can change. An object, because Jinja evaluates the globals of imported macros once.

    To compare it, convert it with the filter `string` first.
    """

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def __str__(self) -> str:
        return self._read()


class _CurrentAppearance:
    """The preferences of the appearance, by name. An object, for the same reason as `_CurrentText`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __getattr__(self, name: str) -> Any:
        return getattr(self._site.runtime_settings.preferences, name)


def new_form_key() -> str:
    """Return a key that no other form has."""
    return secrets.token_urlsafe(16)


def format_rfc3339(moment: dt.datetime) -> str:
    """Return a timestamp for programs (RFC 3339), such as `2026-11-22T10:00:00Z`."""
    return f"{moment.astimezone(dt.UTC).isoformat()[: len('2026-11-22T10:00:00')]}Z"


def initials(name: str) -> str:
    """Return the first characters of the first and the last word of a name, such as `AL`."""
    words = name.split()
    return "".join(word[0] for word in dict.fromkeys((words[0], words[-1]))).upper() if words else ""


def static_url(name: str) -> str:
    """Return the permanent URL of a static file, which contains a digest of its content."""
    return load_asset(name).url
