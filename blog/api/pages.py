"""The static pages of the JSON API."""

import zlib

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.site import static_pages
from blog.domain.site.static_pages import StaticPage
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context, require_user
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import app_state
from blog.framework.response import pagination
from blog.framework.response.conditional import if_match_versions, is_not_modified
from blog.framework.response.json import json_response, page_response
from blog.framework.response.serializers import static_page_out
from blog.schemas.accounts import Scope
from blog.schemas.lists import PageQuery, StaticPageListOut
from blog.schemas.static_pages import StaticPageChanges, StaticPageInput, StaticPageOut


class StaticPageList(ApiEndpoint):
    """/api/v1/pages: list and create static pages."""

    @operation("List pages", query=PageQuery, responses={200: StaticPageListOut}, response_headers={"Link"})
    async def get(self, request: Request) -> Response:
        """Return some of the published pages, oldest first; for owners also drafts."""
        query = read_query(request, PageQuery)
        after = pagination.decode_cursor(query.cursor)
        found = await static_pages.list_page(request_context(request), limit=query.limit, after=after)
        urls = app_state(request).urls
        return page_response(request, [static_page_out(page, urls) for page in found.items], found.next)

    def body_limit(self, request: Request) -> int:
        """Return the maximum body size of a POST with a key, in bytes."""
        return MAX_POST_BODY_BYTES

    @operation(
        "Create a page",
        body=StaticPageInput,
        responses={201: StaticPageOut},
        errors={409},
        scope=Scope.ADMIN,
        response_headers={"ETag", "Location"},
    )
    async def post(self, request: Request) -> Response:
        """Create a page. Returns 201, or 409 if the slug is taken."""
        ctx = require_user(request)
        new = await read_json(request, StaticPageInput, max_bytes=MAX_POST_BODY_BYTES)
        urls = app_state(request).urls
        page = await static_pages.create(ctx, new, reserved=urls.first_segments)
        return _page_response(request, page, 201, {"Location": urls.path("api:page", id=page.id)})


class StaticPageDetail(ApiEndpoint):
    """/api/v1/pages/{id}: read, replace, change or delete one static page."""

    @operation(
        "Read a page",
        responses={200: StaticPageOut, 304: None},
        request_headers={"If-None-Match"},
        response_headers={"ETag"},
    )
    async def get(self, request: Request) -> Response:
        """Return the page, or 304 if the client has this version. A draft is 404 to everyone but owners."""
        page = await static_pages.by_id(request_context(request), request.path_params["id"])
        if is_not_modified(request, _etag(page)):
            return Response(status_code=304, headers=_validators(page))
        return _page_response(request, page)

    @operation(
        "Replace a page",
        body=StaticPageInput,
        responses={200: StaticPageOut},
        errors={409, 412},
        scope=Scope.ADMIN,
        request_headers={"If-Match"},
        response_headers={"ETag"},
    )
    async def put(self, request: Request) -> Response:
        """Replace the page. An absent slug and an absent status are kept."""
        require_user(request)
        new = await read_json(request, StaticPageInput, max_bytes=MAX_POST_BODY_BYTES)
        changes = StaticPageChanges.model_validate(new.model_dump(exclude_unset=True, exclude_none=True))
        return await _edit(request, changes)

    @operation(
        "Change a page",
        body=StaticPageChanges,
        responses={200: StaticPageOut},
        errors={409, 412},
        scope=Scope.ADMIN,
        request_headers={"If-Match"},
        response_headers={"ETag"},
    )
    async def patch(self, request: Request) -> Response:
        """Change the fields that were sent."""
        require_user(request)
        return await _edit(request, await read_json(request, StaticPageChanges, max_bytes=MAX_POST_BODY_BYTES))

    @operation("Delete a page", responses={204: None}, errors={412}, scope=Scope.ADMIN, request_headers={"If-Match"})
    async def delete(self, request: Request) -> Response:
        """Delete the page permanently. Returns 204."""
        await static_pages.delete(require_user(request), request.path_params["id"], if_match=if_match_versions(request))
        return Response(status_code=204)


async def _edit(request: Request, changes: StaticPageChanges) -> Response:
    page = await static_pages.edit(
        require_user(request),
        request.path_params["id"],
        changes,
        if_match=if_match_versions(request),
        reserved=app_state(request).urls.first_segments,
    )
    return _page_response(request, page)


def _page_response(request: Request, page: StaticPage, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(static_page_out(page, app_state(request).urls), status, _validators(page) | (headers or {}))


def _validators(page: StaticPage) -> dict[str, str]:
    return {"ETag": _etag(page), "Cache-Control": "no-cache", "Vary": "Authorization, Cookie"}


def _etag(page: StaticPage) -> str:
    """Return a strong ETag: the version, and a digest of the HTML, which a newer renderer changes without a new version."""
    return f'"{page.version}.{zlib.crc32(page.html.encode()):08x}"'
