"""The page of an author's uploaded images."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.media.models import Media
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.framework.request.uploads import read_upload
from blog.framework.response.pagination import encode_cursor
from blog.schemas.media import NewMedia
from blog.web.rendering.page import render_error, render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post

_PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class Upload:
    """An image, the URL of its thumbnail, and the Markdown that embeds it."""

    image: Media
    thumbnail: str
    markdown: str


class UploadsPage(Endpoint):
    """/uploads: the images of the current user, with Markdown to copy."""

    async def get(self, request: Request) -> Response:
        """Show a page of images, newest first, and the upload form. Raises NotAuthenticated, Forbidden."""
        ctx = request_context(request)
        media.require_uploader(ctx)
        return render_page(request, "media/uploads.html", form=Form(), **await _list_values(request, ctx))

    async def post(self, request: Request) -> Response:
        """Store an image, and return to the list. The list starts with the image, also if it was uploaded before."""
        ctx = require_user(request)
        media.require_uploader(ctx)  # before the body is read
        form = Form()
        try:
            async with read_upload(request, NewMedia, limit=ctx.site.settings.max_upload_bytes) as (new, file):
                form.values["alt"] = new.alt
                image, is_new = await media.upload(ctx, file.content, new.with_file_name(file.name))
        except BlogError as error:
            return render_error(request, "media/uploads.html", form, error, **await _list_values(request, ctx))
        known = {} if is_new else {"known": str(image.id), "cursor": encode_cursor(("", image.id + 1)) or ""}
        return redirect_after_post(request, "web:uploads", query=known, fragment=f"image-{image.id}")


async def _list_values(request: Request, ctx: Context) -> dict[str, Any]:
    found = await media.list_page(ctx, limit=_PAGE_SIZE, after=page_cursor(request))
    return {
        "uploads": [_upload(request, image) for image in found.items],
        "next_page_path": next_page_path(request, found.next),
        "is_known": bool(found.items) and request.query_params.get("known") == str(found.items[0].id),
    }


def _upload(request: Request, image: Media) -> Upload:
    path = app_state(request).urls.path
    small = image.variants[-1].name if image.variants else image.name
    alt = image.alt.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
    return Upload(image, path("media", name=small), f"![{alt}]({path('media', name=image.name)})")
