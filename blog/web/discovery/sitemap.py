"""The sitemap: one document, or from 50,001 addresses on an index of several."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from blog.domain.core.context import Context
from blog.domain.read_models import sitemap
from blog.domain.read_models.sitemap import SitemapEntry, SitemapIndex, SitemapKind, SitemapPart
from blog.errors import NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import anonymous_context
from blog.framework.request.state import app_state
from blog.framework.response.conditional import is_not_modified
from blog.framework.templating.templating import format_rfc3339
from blog.framework.urls.urls import UrlBuilder

_MEDIA_TYPE = "application/xml; charset=utf-8"
_CACHE_CONTROL = "public, max-age=3600"
_XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_ROUTES = {
    SitemapKind.PAGES: ("web:static_page", "slug"),
    SitemapKind.POSTS: ("web:post", "slug"),
    SitemapKind.TAGS: ("web:tag", "tag"),
    SitemapKind.AUTHORS: ("web:author", "username"),
}


class Sitemap(Endpoint):
    """/sitemap.xml — every public page, or the sitemaps that list them."""

    async def get(self, request: Request) -> Response:
        """Streamed, since it may have megabytes; 304 when nothing in it changed."""
        ctx, links = anonymous_context(request), app_state(request).urls
        found = await sitemap.load_index(ctx)
        is_whole = sum(part.url_count for part in found.parts) <= sitemap.MAX_URLS
        return _sitemap_response(
            request, found, _urlset(ctx, links, found.parts) if is_whole else _sitemap_index(links, found.parts)
        )


class SitemapFile(Endpoint):
    """/sitemap-{kind}-{number}.xml — one of the sitemaps that the index names."""

    async def get(self, request: Request) -> Response:
        """As of the whole; 404 for one that would be empty."""
        ctx, links = anonymous_context(request), app_state(request).urls
        kind = request.path_params["kind"]
        if kind not in set(SitemapKind):
            raise NotFound("This sitemap does not exist")
        found = await sitemap.load_part(ctx, SitemapKind(kind), request.path_params["number"])
        return _sitemap_response(request, found, _urlset(ctx, links, found.parts))


def _sitemap_response(request: Request, found: SitemapIndex, content: AsyncIterator[str]) -> Response:
    tag = f'W/"{hashlib.sha256(repr(found).encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _CACHE_CONTROL}
    if is_not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(None, 200, headers, _MEDIA_TYPE)
    return StreamingResponse(content, 200, headers, _MEDIA_TYPE)


async def _urlset(ctx: Context, links: UrlBuilder, parts: Sequence[SitemapPart]) -> AsyncIterator[str]:
    yield f"{_XML_DECLARATION}<urlset {_NAMESPACE}>\n"
    for part in parts:
        async for entries in sitemap.iter_entries(ctx, part):
            yield "".join(_xml_element("url", _entry_url(links, part.kind, entry), entry) for entry in entries)
    yield "</urlset>\n"


async def _sitemap_index(links: UrlBuilder, parts: Sequence[SitemapPart]) -> AsyncIterator[str]:
    yield f"{_XML_DECLARATION}<sitemapindex {_NAMESPACE}>\n"
    for part in parts:
        yield _xml_element("sitemap", links.url("web:sitemap_part", kind=part.kind.value, number=part.number), part)
    yield "</sitemapindex>\n"


def _entry_url(links: UrlBuilder, kind: SitemapKind, entry: SitemapEntry) -> str:
    if kind is SitemapKind.LISTS:
        return links.url(f"web:{entry.name}")
    route, parameter = _ROUTES[kind]
    return links.url(route, **{parameter: entry.name})


def _xml_element(element: str, address: str, changed: SitemapEntry | SitemapPart) -> str:
    when = f"<lastmod>{format_rfc3339(changed.changed_at)}</lastmod>" if changed.changed_at else ""
    return f"<{element}><loc>{escape(address)}</loc>{when}</{element}>\n"
