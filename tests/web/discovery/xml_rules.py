"""Structural rules of Atom feeds and sitemaps, for machines without the corpus and its schemas."""

import datetime as dt
import os
from pathlib import Path
from urllib.parse import urlsplit

from lxml import etree

ATOM = "{http://www.w3.org/2005/Atom}"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
_MAX_URLS, _MAX_URL_LENGTH = 50_000, 2048


def assert_valid_atom(content: bytes) -> None:
    """Check the rules of RFC 4287 that a feed of posts can break; with the corpus also its RELAX NG schema."""
    root = etree.fromstring(content)
    assert root.tag == f"{ATOM}feed"
    assert all(element.tag.startswith(ATOM) for element in root.iter(etree.Element))
    for parent in (root, *root.iterfind(f"{ATOM}entry")):
        for name in ("id", "title", "updated"):
            assert len(parent.findall(f"{ATOM}{name}")) == 1, f"exactly one {name}"
        for name in ("subtitle", "summary", "content", "published"):
            assert len(parent.findall(f"{ATOM}{name}")) <= 1, f"at most one {name}"
        assert _is_absolute(parent.findtext(f"{ATOM}id"))
        _assert_links(parent)
    for entry in root.iterfind(f"{ATOM}entry"):
        authors = entry.findall(f"{ATOM}author")
        assert authors, "an entry needs an author if the feed has none"
        assert all(author.findtext(f"{ATOM}name") and _is_absolute(author.findtext(f"{ATOM}uri")) for author in authors)
        assert all(category.get("term") for category in entry.iterfind(f"{ATOM}category"))
        assert entry.find(f"{ATOM}content").get("type") == "html"
        assert len(entry.find(f"{ATOM}content")) == 0, "HTML is escaped text"
    for name in ("updated", "published"):
        for element in root.iter(f"{ATOM}{name}"):
            assert dt.datetime.fromisoformat(element.text).tzinfo is not None
    ids = [entry.findtext(f"{ATOM}id") for entry in root.iterfind(f"{ATOM}entry")]
    assert len(set(ids)) == len(ids)
    if schema := _corpus_file("atom.rng"):
        etree.RelaxNG(etree.parse(schema)).assertValid(root)


def assert_valid_sitemap(content: bytes) -> None:
    """Check the rules of sitemaps.org for a sitemap or an index; with the corpus also the XML schema of sitemaps."""
    root = etree.fromstring(content)
    child = {f"{SITEMAP}urlset": f"{SITEMAP}url", f"{SITEMAP}sitemapindex": f"{SITEMAP}sitemap"}[root.tag]
    assert 0 < len(root) <= _MAX_URLS
    for item in root:
        assert item.tag == child
        names = [element.tag for element in item]
        assert names in ([f"{SITEMAP}loc"], [f"{SITEMAP}loc", f"{SITEMAP}lastmod"])
        url = item.findtext(f"{SITEMAP}loc")
        assert _is_absolute(url)
        assert url.isascii()
        assert len(url) <= _MAX_URL_LENGTH
        if date := item.findtext(f"{SITEMAP}lastmod"):
            assert dt.datetime.fromisoformat(date).tzinfo is not None
    if root.tag == f"{SITEMAP}urlset" and (schema := _corpus_file("sitemap.xsd")):
        etree.XMLSchema(etree.parse(schema)).assertValid(root)


def _assert_links(parent: etree._Element) -> None:
    links = [(link.get("rel"), link.get("type")) for link in parent.iterfind(f"{ATOM}link")]
    assert len(set(links)) == len(links), "one link per relation and type"
    assert ("alternate", "text/html") in links
    assert all(_is_absolute(link.get("href")) for link in parent.iterfind(f"{ATOM}link"))


def _is_absolute(url: str | None) -> bool:
    return url is not None and bool(urlsplit(url).scheme)


def _corpus_file(name: str) -> Path | None:
    corpus = os.environ.get("BLOG_TEST_CORPUS")
    return Path(corpus, "schemas", name) if corpus else None
