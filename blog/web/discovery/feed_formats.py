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

from blog.domain.core.models import Byline, Post
from blog.framework.templating.templating import instant
from blog.framework.urls.urls import Links
from blog.text.absolute_urls import absolute

# What XML 1.0 cannot hold in any form, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class Channel:
    """What a feed says of itself: `page` is the address of the page that shows the same, `address` that of the feed."""

    title: str
    description: str
    page: str
    address: str


@dataclass(frozen=True, slots=True)
class Item:
    """A post in a feed. Every address is absolute; `authors` are names and the addresses of their pages."""

    id: str
    address: str
    title: str
    html: str
    excerpt: str
    authors: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    published_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a feed down."""

    media_type: str
    write: Callable[[Channel, Sequence[Item]], bytes]


def legal(text: str) -> str:
    """The text without the characters that XML cannot hold: imported posts may have some."""
    return _ILLEGAL.sub("", text)


def feed(format_name: str, channel: Channel, posts: Sequence[Post], links: Links) -> bytes:
    """The posts as a feed; CPU-bound. `format_name` is a key of `FORMATS`."""
    return FORMATS[format_name].write(channel, [_item(post, links) for post in posts])


def _item(post: Post, links: Links) -> Item:
    address = links.url("web:post", slug=post.slug)
    return Item(
        id=permanent_id(post, links),
        address=address,
        title=legal(post.title),
        html=legal(absolute(post.html, address)),
        excerpt=legal(post.excerpt),
        authors=tuple(_author(byline, links) for byline in post.bylines),
        tags=tuple(legal(tag) for tag in post.tags),
        published_at=post.published_at or post.created_at,
        updated_at=post.updated_at,
    )


def _author(byline: Byline, links: Links) -> tuple[str, str]:
    return legal(byline.name), links.url("web:author", username=byline.username)


def permanent_id(post: Post, links: Links) -> str:
    """A tag URI (RFC 4151) that stays when title, slug and port change: host, day of its making, number."""
    return f"tag:{urlsplit(links.public_url).hostname},{post.created_at:%Y-%m-%d}:post/{post.id}"


def _atom(channel: Channel, items: Sequence[Item]) -> bytes:
    root = Element("feed", {"xmlns": _ATOM})
    _add(root, "id", channel.page)
    _add(root, "title", channel.title)
    if channel.description:
        _add(root, "subtitle", channel.description)
    SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": channel.address})
    SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": channel.page})
    _add(root, "updated", instant(_last_update(items)))
    for item in items:
        _add_entry(root, item)
    return as_xml(root)


def _add_entry(root: Element, item: Item) -> None:
    entry = SubElement(root, "entry")
    _add(entry, "id", item.id)
    _add(entry, "title", item.title)
    SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": item.address})
    _add(entry, "published", instant(item.published_at))
    _add(entry, "updated", instant(item.updated_at))
    for name, address in item.authors:
        author = SubElement(entry, "author")
        _add(author, "name", name)
        _add(author, "uri", address)
    for tag in item.tags:
        SubElement(entry, "category", {"term": tag})
    if item.excerpt:
        _add(entry, "summary", item.excerpt)
    _add(entry, "content", item.html, {"type": "html"})


def _rss(channel: Channel, items: Sequence[Item]) -> bytes:
    names = {
        "xmlns:atom": _ATOM,
        "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    }
    root = Element("rss", {"version": "2.0", **names})
    about = SubElement(root, "channel")
    _add(about, "title", channel.title)
    _add(about, "link", channel.page)
    _add(about, "description", channel.description or channel.title)
    _add(about, "lastBuildDate", format_datetime(_last_update(items), usegmt=True))
    SubElement(about, "atom:link", {"rel": "self", "type": "application/rss+xml", "href": channel.address})
    for item in items:
        _add_rss_item(about, item)
    return as_xml(root)


def _add_rss_item(about: Element, item: Item) -> None:
    element = SubElement(about, "item")
    _add(element, "title", item.title)
    _add(element, "link", item.address)
    _add(element, "guid", item.id, {"isPermaLink": "false"})
    _add(element, "pubDate", format_datetime(item.published_at, usegmt=True))
    _add(element, "atom:updated", instant(item.updated_at))
    for name, _ in item.authors:
        _add(element, "dc:creator", name)  # RSS's own `author` is an e-mail address
    for tag in item.tags:
        _add(element, "category", tag)
    _add(element, "description", item.excerpt)
    _add(element, "content:encoded", item.html)


def _json(channel: Channel, items: Sequence[Item]) -> bytes:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": channel.title,
        "description": channel.description,
        "home_page_url": channel.page,
        "feed_url": channel.address,
        "items": [_json_item(item) for item in items],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _json_item(item: Item) -> dict[str, object]:
    return {
        "id": item.id,
        "url": item.address,
        "title": item.title,
        "content_html": item.html,
        "summary": item.excerpt,
        "date_published": instant(item.published_at),
        "date_modified": instant(item.updated_at),
        "authors": [{"name": name, "url": address} for name, address in item.authors],
        "tags": list(item.tags),
    }


def _last_update(items: Sequence[Item]) -> dt.datetime:
    return max((item.updated_at for item in items), default=_BEGINNING)


def _add(parent: Element, name: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
    SubElement(parent, name, dict(attributes or {})).text = text


def as_xml(root: Element) -> bytes:
    """A document with its declaration."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


FORMATS: Mapping[str, Format] = {
    "atom": Format("application/atom+xml", _atom),
    "rss": Format("application/rss+xml", _rss),
    "json": Format("application/feed+json", _json),
}
