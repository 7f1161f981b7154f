"""Serialisation of feeds: Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1. Some milliseconds for 20 long posts."""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import format_datetime
from urllib.parse import urlsplit
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from blog.domain.core.models import Author
from blog.domain.posts.models import Post
from blog.framework.response.serializers import feature_image_url
from blog.framework.templating.templating import format_rfc3339
from blog.framework.urls.urls import UrlBuilder
from blog.text.absolute_urls import make_urls_absolute
from blog.text.fallbacks import with_plain_formulas

# Characters that XML 1.0 cannot contain, not even escaped.
_INVALID_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ATOM_NAMESPACE = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """The metadata of a feed. `page_url` is the HTML page with the same posts; `language` is that of items that name none."""

    title: str
    description: str
    language: str
    page_url: str
    feed_url: str


@dataclass(frozen=True, slots=True)
class FeedImage:
    """The image of a post; its media type and its size in bytes are unknown for some images on other sites."""

    url: str
    media_type: str | None
    bytes: int | None

    @property
    def attributes(self) -> dict[str, str]:
        """The known properties of the file, as attributes of an XML element."""
        known = {"type": self.media_type, "length": str(self.bytes) if self.bytes else None}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A post in a feed. All URLs are absolute; `authors` are pairs of name and URL."""

    id: str
    url: str
    title: str
    html: str
    excerpt: str
    authors: tuple[tuple[str, str], ...]
    tags: tuple[str, ...]
    published_at: dt.datetime
    updated_at: dt.datetime
    language: str | None
    image: FeedImage | None


@dataclass(frozen=True, slots=True)
class FeedFormat:
    """A feed format."""

    media_type: str
    serialise: Callable[[FeedInfo, Sequence[FeedItem]], bytes]


def strip_invalid_xml(text: str) -> str:
    """Remove the characters that XML cannot contain; imported posts may have some."""
    return _INVALID_XML.sub("", text)


def serialise_feed(format_name: str, feed: FeedInfo, posts: Sequence[Post], urls: UrlBuilder) -> bytes:
    """Return a feed of posts. CPU-bound.

    `format_name` is a key of `FORMATS`.
    """
    return FORMATS[format_name].serialise(feed, [_item(post, urls) for post in posts])


def _item(post: Post, urls: UrlBuilder) -> FeedItem:
    url = urls.url("web:post", slug=post.slug)
    return FeedItem(
        id=permanent_id(post, urls),
        url=url,
        title=strip_invalid_xml(post.title),
        html=strip_invalid_xml(make_urls_absolute(with_plain_formulas(post.html), url)),
        excerpt=strip_invalid_xml(post.excerpt),
        authors=tuple(_author(author, urls) for author in post.authors),
        tags=tuple(strip_invalid_xml(tag) for tag in post.tags),
        published_at=post.published_at or post.created_at,
        updated_at=post.updated_at,
        language=post.language,
        image=_image(post, urls),
    )


def _image(post: Post, urls: UrlBuilder) -> FeedImage | None:
    image = post.feature_image
    return None if image is None else FeedImage(feature_image_url(image, urls), image.media_type, image.bytes)


def _author(author: Author, urls: UrlBuilder) -> tuple[str, str]:
    return strip_invalid_xml(author.name), urls.url("web:author", username=author.username)


def permanent_id(post: Post, urls: UrlBuilder) -> str:
    """Return a tag URI (RFC 4151) that is independent of title, slug and port: host, creation date and id."""
    return f"tag:{urlsplit(urls.public_url).hostname},{post.created_at:%Y-%m-%d}:post/{post.id}"


def _atom(feed: FeedInfo, items: Sequence[FeedItem]) -> bytes:
    root = Element("feed", {"xmlns": _ATOM_NAMESPACE, "xml:lang": feed.language})
    _add_element(root, "id", feed.page_url)
    _add_element(root, "title", feed.title)
    if feed.description:
        _add_element(root, "subtitle", feed.description)
    SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": feed.feed_url})
    SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": feed.page_url, "hreflang": feed.language})
    _add_element(root, "updated", format_rfc3339(_last_update(items)))
    for item in items:
        _add_entry(root, item, item.language or feed.language)
    return serialise_xml(root)


def _add_entry(root: Element, item: FeedItem, language: str) -> None:
    entry = SubElement(root, "entry", {"xml:lang": item.language} if item.language else {})
    _add_element(entry, "id", item.id)
    _add_element(entry, "title", item.title)
    SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": item.url, "hreflang": language})
    if item.image:
        SubElement(entry, "link", {"rel": "enclosure", "href": item.image.url, **item.image.attributes})
    _add_element(entry, "published", format_rfc3339(item.published_at))
    _add_element(entry, "updated", format_rfc3339(item.updated_at))
    for name, url in item.authors:
        author = SubElement(entry, "author")
        _add_element(author, "name", name)
        _add_element(author, "uri", url)
    for tag in item.tags:
        SubElement(entry, "category", {"term": tag})
    if item.excerpt:
        _add_element(entry, "summary", item.excerpt)
    _add_element(entry, "content", item.html, {"type": "html"})


def _rss(feed: FeedInfo, items: Sequence[FeedItem]) -> bytes:
    names = {
        "xmlns:atom": _ATOM_NAMESPACE,
        "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    }
    root = Element("rss", {"version": "2.0", **names})
    about = SubElement(root, "channel")
    _add_element(about, "title", feed.title)
    _add_element(about, "link", feed.page_url)
    _add_element(about, "description", feed.description or feed.title)
    _add_element(about, "language", feed.language)
    _add_element(about, "lastBuildDate", format_datetime(_last_update(items), usegmt=True))
    SubElement(about, "atom:link", {"rel": "self", "type": "application/rss+xml", "href": feed.feed_url})
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
    if item.language:
        _add_element(element, "dc:language", item.language)
    if item.image and item.image.media_type:  # RSS requires a type, and a length that readers ignore
        SubElement(element, "enclosure", {"url": item.image.url, "length": "0", **item.image.attributes})
    for name, _ in item.authors:
        _add_element(element, "dc:creator", name)  # the `author` element of RSS is an e-mail address
    for tag in item.tags:
        _add_element(element, "category", tag)
    _add_element(element, "description", item.excerpt)
    _add_element(element, "content:encoded", item.html)


def _json(feed: FeedInfo, items: Sequence[FeedItem]) -> bytes:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.description,
        "language": feed.language,
        "home_page_url": feed.page_url,
        "feed_url": feed.feed_url,
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
        "authors": [{"name": name, "url": url} for name, url in item.authors],
        "tags": list(item.tags),
        **({"language": item.language} if item.language else {}),
        **({"image": item.image.url} if item.image else {}),
    }


def _last_update(items: Sequence[FeedItem]) -> dt.datetime:
    return max((item.updated_at for item in items), default=_EPOCH)


def _add_element(parent: Element, name: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
    SubElement(parent, name, dict(attributes or {})).text = text


def serialise_xml(root: Element) -> bytes:
    """Return an XML document with its declaration."""
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content


FORMATS: Mapping[str, FeedFormat] = {
    "atom": FeedFormat("application/atom+xml", _atom),
    "rss": FeedFormat("application/rss+xml", _rss),
    "json": FeedFormat("application/feed+json", _json),
}
