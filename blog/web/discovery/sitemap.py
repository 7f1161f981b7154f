"""The sitemap: one file, or an index of several files above 50,000 URLs."""

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
    """/sitemap.xml: all public pages, or the index of the sitemap files."""

    async def get(self, request: Request) -> Response:
        """Stream the sitemap, which can have megabytes, or return 304."""
        ctx, urls = anonymous_context(request), app_state(request).urls
        index = await sitemap.load_index(ctx)
        fits = sum(part.url_count for part in index.parts) <= sitemap.MAX_URLS
        content = _urlset(ctx, urls, index.parts) if fits else _sitemap_index(urls, index.parts)
        return _sitemap_response(request, index, content)


class SitemapFile(Endpoint):
    """/sitemap-{kind}-{number}.xml: a file of the index."""

    async def get(self, request: Request) -> Response:
        """Stream the file, or return 304. Raises NotFound if it would be empty."""
        ctx, urls = anonymous_context(request), app_state(request).urls
        kind = request.path_params["kind"]
        if kind not in set(SitemapKind):
            raise NotFound("This sitemap does not exist")
        index = await sitemap.load_part(ctx, SitemapKind(kind), request.path_params["number"])
        return _sitemap_response(request, index, _urlset(ctx, urls, index.parts))


def _sitemap_response(request: Request, index: SitemapIndex, content: AsyncIterator[str]) -> Response:
    tag = f'W/"{hashlib.sha256(repr(index).encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": _CACHE_CONTROL, "Vary": "Accept-Encoding"}
    if is_not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        return Response(None, 200, headers, _MEDIA_TYPE)
    return StreamingResponse(content, 200, headers, _MEDIA_TYPE)


async def _urlset(ctx: Context, urls: UrlBuilder, parts: Sequence[SitemapPart]) -> AsyncIterator[str]:
    yield f"{_XML_DECLARATION}<urlset {_NAMESPACE}>\n"
    for part in parts:
        async for entries in sitemap.iter_entries(ctx, part):
            yield "".join(_xml_element("url", _entry_url(urls, part.kind, entry), entry) for entry in entries)
    yield "</urlset>\n"


async def _sitemap_index(urls: UrlBuilder, parts: Sequence[SitemapPart]) -> AsyncIterator[str]:
    yield f"{_XML_DECLARATION}<sitemapindex {_NAMESPACE}>\n"
    for part in parts:
        yield _xml_element("sitemap", urls.url("web:sitemap_part", kind=part.kind.value, number=part.number), part)
    yield "</sitemapindex>\n"


def _entry_url(urls: UrlBuilder, kind: SitemapKind, entry: SitemapEntry) -> str:
    if kind is SitemapKind.LISTS:
        return urls.url(f"web:{entry.name}")
    route, parameter = _ROUTES[kind]
    return urls.url(route, **{parameter: entry.name})


def _xml_element(element: str, url: str, item: SitemapEntry | SitemapPart) -> str:
    lastmod = f"<lastmod>{format_rfc3339(item.changed_at)}</lastmod>" if item.changed_at else ""
    return f"<{element}><loc>{escape(url)}</loc>{lastmod}</{element}>\n"
