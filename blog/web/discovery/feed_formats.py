"""Feeds written down: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1. Some milliseconds of a core for twenty long posts."""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from blog.domain.posts.models import Byline, Post
from blog.framework.templating.templating import format_rfc3339
from blog.framework.urls.urls import UrlBuilder
from blog.text.absolute_urls import make_urls_absolute

# What XML 1.0 cannot hold in any form, not even escaped.
_INVALID_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ATOM_NAMESPACE = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """What a feed says of itself: `page` is the address of the page that shows the same, `address` that of the feed."""

    title: str
    description: str
    page_url: str
    feed_url: str


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A post in a feed. Every address is absolute; `authors` are names and the addresses of their pages."""

    id: str
    url: str
    title: str
    html: str
    excerpt: str
    authors: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    published_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class FeedFormat:
    """A way to write a feed down."""

    media_type: str
    serialise: Callable[[FeedInfo, Sequence[FeedItem]], bytes]


def strip_invalid_xml(text: str) -> str:
    """The text without the characters that XML cannot hold: imported posts may have some."""
    return _INVALID_XML.sub("", text)


def serialise_feed(format_name: str, channel: FeedInfo, posts: Sequence[Post], links: UrlBuilder) -> bytes:
    """The posts as a feed; CPU-bound. `format_name` is a key of `FORMATS`."""
    return FORMATS[format_name].serialise(channel, [_item(post, links) for post in posts])


def _item(post: Post, links: UrlBuilder) -> FeedItem:
    address = links.url("web:post", slug=post.slug)
    return FeedItem(
        id=permanent_id(post, links),
        url=address,
        title=strip_invalid_xml(post.title),
        html=strip_invalid_xml(make_urls_absolute(post.html, address)),
        excerpt=strip_invalid_xml(post.excerpt),
        authors=tuple(_author(byline, links) for byline in post.bylines),
        tags=tuple(strip_invalid_xml(tag) for tag in post.tags),
        published_at=post.published_at or post.created_at,
        updated_at=post.updated_at,
    )


def _author(byline: Byline, links: UrlBuilder) -> tuple[str, str]:
    return strip_invalid_xml(byline.name), links.url("web:author", username=byline.username)


def permanent_id(post: Post, links: UrlBuilder) -> str:
    """A tag URI (RFC 4151) that stays when title, slug and port change: host, day of its making, number."""
    return f"tag:{urlsplit(links.public_url).hostname},{post.created_at:%Y-%m-%d}:post/{post.id}"


def _atom(channel: FeedInfo, items: Sequence[FeedItem]) -> bytes:
    root = Element("feed", {"xmlns": _ATOM_NAMESPACE})
    _add_element(root, "id", channel.page_url)
    _add_element(root, "title", channel.title)
    if channel.description:
        _add_element(root, "subtitle", channel.description)
    SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": channel.feed_url})
    SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": channel.page_url})
    _add_element(root, "updated", format_rfc3339(_last_update(items)))
    for item in items:
        _add_entry(root, item)
    return serialise_xml(root)


def _add_entry(root: Element, item: FeedItem) -> None:
    entry = SubElement(root, "entry")
    _add_element(entry, "id", item.id)
    _add_element(entry, "title", item.title)
    SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": item.url})
    _add_element(entry, "published", format_rfc3339(item.published_at))
    _add_element(entry, "updated", format_rfc3339(item.updated_at))
    for name, address in item.authors:
        author = SubElement(entry, "author")
        _add_element(author, "name", name)
        _add_element(author, "uri", address)
    for tag in item.tags:
        SubElement(entry, "category", {"term": tag})
    if item.excerpt:
        _add_element(entry, "summary", item.excerpt)
    _add_element(entry, "content", item.html, {"type": "html"})


def _rss(channel: FeedInfo, items: Sequence[FeedItem]) -> bytes:
    names = {
        "xmlns:atom": _ATOM_NAMESPACE,
        "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    }
    root = Element("rss", {"version": "2.0", **names})
    about = SubElement(root, "channel")
    _add_element(about, "title", channel.title)
    _add_element(about, "link", channel.page_url)
    _add_element(about, "description", channel.description or channel.title)
    _add_element(about, "lastBuildDate", format_datetime(_last_update(items), usegmt=True))
    SubElement(about, "atom:link", {"rel": "self", "type": "application/rss+xml", "href": channel.feed_url})
    for item in items:
        _add_rss_item(about, item)
    return serialise_xml(root)


def _add_rss_item(about: Element, item: FeedItem) -> None:
    element = SubElement(about, "item")
    _add_element(element, "title", item.title)
    _add_element(element, "link", item.url)
    _add_element(element, "guid", item.id, {"isPermaLink": "false"})
    _add_element(element, "pubDate", format_datetime(item.published_at, usegmt=True))
    _add_element(element, "atom:updated", format_rfc3339(item.updated_at))
    for name, _ in item.authors:
        _add_element(element, "dc:creator", name)  # RSS's own `author` is an e-mail address
    for tag in item.tags:
        _add_element(element, "category", tag)
    _add_element(element, "description", item.excerpt)
    _add_element(element, "content:encoded", item.html)


def _json(channel: FeedInfo, items: Sequence[FeedItem]) -> bytes:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": channel.title,
        "description": channel.description,
        "home_page_url": channel.page_url,
        "feed_url": channel.feed_url,
        "items": [_json_item(item) for item in items],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _json_item(item: FeedItem) -> dict[str, object]:
    return {
        "id": item.id,
        "url": item.url,
        "title": item.title,
        "content_html": item.html,
        "summary": item.excerpt,
        "date_published": format_rfc3339(item.published_at),
        "date_modified": format_rfc3339(item.updated_at),
        "authors": [{"name": name, "url": address} for name, address in item.authors],
        "tags": list(item.tags),
    }


def _last_update(items: Sequence[FeedItem]) -> dt.datetime:
    return max((item.updated_at for item in items), default=_EPOCH)


def _add_element(parent: Element, name: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
    SubElement(parent, name, dict(attributes or {})).text = text


def serialise_xml(root: Element) -> bytes:
    """A document with its declaration."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


FORMATS: Mapping[str, FeedFormat] = {
    "atom": FeedFormat("application/atom+xml", _atom),
    "rss": FeedFormat("application/rss+xml", _rss),
    "json": FeedFormat("application/feed+json", _json),
}
