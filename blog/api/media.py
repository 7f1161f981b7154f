"""Uploaded files: JSON responses, multipart uploads."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.media import media
from blog.domain.media.models import MediaFilter
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_json, read_query
from blog.framework.request.state import app_state
from blog.framework.request.uploads import read_upload
from blog.framework.response import pagination
from blog.framework.response.json import json_response, page_response
from blog.framework.response.serializers import media_out
from blog.schemas.accounts import Scope
from blog.schemas.lists import MediaListOut, MediaQuery
from blog.schemas.media import MediaChanges, MediaOut, MediaUpload, NewMedia


class MediaList(ApiEndpoint):
    """/api/v1/media: list and upload files."""

    @operation("List files", query=MediaQuery, responses={200: MediaListOut}, scope=Scope.MEDIA_WRITE, response_headers={"Link"})
    async def get(self, request: Request) -> Response:
        """Return a page of your files, newest first. Editors may list the files of others."""
        ctx = require_user(request)
        query = read_query(request, MediaQuery)
        chosen = MediaFilter(query.q or "", query.uploader)
        page = await media.list_page(ctx, chosen, limit=query.limit, after=pagination.decode_cursor(query.cursor))
        urls = app_state(request).urls
        return page_response(request, [media_out(item, urls) for item in page.items], page.next)

    @operation(
        "Upload a file",
        body=MediaUpload,
        body_type="multipart/form-data",
        responses={200: MediaOut, 201: MediaOut},
        scope=Scope.MEDIA_WRITE,
        response_headers={"Location"},
    )
    async def post(self, request: Request) -> Response:
        """Store a file; an image without its metadata, with smaller copies. The same file again: 200 with the first entry."""
        ctx = require_user(request)
        media.require_uploader(ctx)  # before the body is read
        async with read_upload(request, NewMedia, limit=ctx.site.settings.max_media_body_bytes) as (new, file):
            item, is_new = await media.upload(ctx, file.content, new.with_file_name(file.name))
        urls = app_state(request).urls
        location = urls.path("api:media_item", id=item.id)
        return json_response(media_out(item, urls), 201 if is_new else 200, {"Location": location})

    def body_limit(self, request: Request) -> int:
        """Return the size limit of an upload with a key, in bytes. It is that of images, because the body is read into memory.

        The same file by the same person is one entry anyway.
        """
        return app_state(request).site.settings.max_upload_bytes


class MediaDetail(ApiEndpoint):
    """/api/v1/media/{id}: read, describe or delete a file."""

    @operation("Read a file", responses={200: MediaOut}, scope=Scope.MEDIA_WRITE)
    async def get(self, request: Request) -> Response:
        """Return the URLs, sizes and alt text."""
        ctx = require_user(request)
        return json_response(media_out(await media.get(ctx, request.path_params["id"]), app_state(request).urls))

    @operation("Describe a file", body=MediaChanges, responses={200: MediaOut}, scope=Scope.MEDIA_WRITE)
    async def patch(self, request: Request) -> Response:
        """Change the alt text and the file name."""
        ctx = require_user(request)
        changes = await read_json(request, MediaChanges)
        return json_response(media_out(await media.change(ctx, request.path_params["id"], changes), app_state(request).urls))

    @operation("Delete a file", responses={204: None}, scope=Scope.MEDIA_WRITE)
    async def delete(self, request: Request) -> Response:
        """Delete the entry, and its files unless something still uses them, such as an old version of a post."""
        await media.delete(require_user(request), request.path_params["id"])
        return Response(status_code=204)
