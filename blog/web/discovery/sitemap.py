"""The sitemap: one document, or from 50,001 addresses on an index of several."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from blog.domain.core.context import Context
from blog.domain.read_models import sitemap
from blog.domain.read_models.sitemap import Contents, Entry, Kind, Part
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import fresh_context
from blog.framework.request.state import services
from blog.framework.response.conditional import is_fresh
from blog.framework.templating.templating import instant
from blog.framework.urls.urls import Links

_XML = "application/xml; charset=utf-8"
_CACHING = "public, max-age=3600"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_ROUTES = {
    Kind.PAGES: ("web:page", "slug"),
    Kind.POSTS: ("web:post", "slug"),
    Kind.TAGS: ("web:tag", "tag"),
    Kind.AUTHORS: ("web:author", "username"),
}


class Sitemap(Endpoint):
    """/sitemap.xml — every public page, or the sitemaps that list them."""

    async def get(self, request: Request) -> Response:
        """Streamed, since it may have megabytes; 304 when nothing in it changed."""
        ctx, links = fresh_context(request), services(request).links
        found = await sitemap.contents(ctx)
        is_whole = sum(part.entries for part in found.parts) <= sitemap.MOST
        return _answer(request, found, _urls(ctx, links, found.parts) if is_whole else _index(links, found.parts))


class SitemapPart(Endpoint):
    """/sitemap-{kind}-{number}.xml — one of the sitemaps that the index names."""

    async def get(self, request: Request) -> Response:
        """As of the whole; 404 for one that would be empty."""
        ctx, links = fresh_context(request), services(request).links
        kind = request.path_params["kind"]
        if kind not in set(Kind):
            raise NotFound("There is no such sitemap")
        found = await sitemap.part(ctx, Kind(kind), request.path_params["number"])
        return _answer(request, found, _urls(ctx, links, found.parts))


def _answer(request: Request, found: Contents, content: AsyncIterator[str]) -> Response:
    tag = f'W/"{hashlib.sha256(repr(found).encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _CACHING}
    if is_fresh(request, tag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(None, 200, headers, _XML)
    return StreamingResponse(content, 200, headers, _XML)


async def _urls(ctx: Context, links: Links, parts: Sequence[Part]) -> AsyncIterator[str]:
    yield f"{_HEAD}<urlset {_NAMESPACE}>\n"
    for part in parts:
        async for entries in sitemap.entries(ctx, part):
            yield "".join(_place("url", _address(links, part.kind, entry), entry) for entry in entries)
    yield "</urlset>\n"


async def _index(links: Links, parts: Sequence[Part]) -> AsyncIterator[str]:
    yield f"{_HEAD}<sitemapindex {_NAMESPACE}>\n"
    for part in parts:
        yield _place("sitemap", links.url("web:sitemap_part", kind=part.kind.value, number=part.number), part)
    yield "</sitemapindex>\n"


def _address(links: Links, kind: Kind, entry: Entry) -> str:
    if kind is Kind.FIXED:
        return links.url(f"web:{entry.name}")
    route, parameter = _ROUTES[kind]
    return links.url(route, **{parameter: entry.name})


def _place(element: str, address: str, changed: Entry | Part) -> str:
    when = f"<lastmod>{instant(changed.changed_at)}</lastmod>" if changed.changed_at else ""
    return f"<{element}><loc>{escape(address)}</loc>{when}</{element}>\n"
