"""One image of the media library: its details, where it is used, replacement and deletion."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.media import media, replacement, uses
from blog.domain.media.models import Media
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.uploads import read_upload
from blog.schemas.fields import Input
from blog.schemas.media import MediaChanges
from blog.web.media.library import library_item
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

_MESSAGES = {
    "uploaded": "File uploaded.",
    "known": "You have already uploaded this file. This is its entry.",
    "changed": "Changes saved.",
}


class NoFields(Input):
    """A form with only a file."""


class MediaItemPage(FormPage[MediaChanges]):
    """/media-library/{id}: an image with its alt text, its Markdown and its uses."""

    template, model = "media/item.html", MediaChanges
    item: Media

    async def load(self) -> None:
        self.item = await media.get(self.ctx, self.request.path_params["id"])

    def initial_form(self) -> Form:
        return Form({"alt": self.item.alt, "file_name": self.item.file_name})

    async def submit(self, data: MediaChanges) -> Response:
        """Save the alt text and the file name."""
        await media.change(self.ctx, self.item.id, data)
        return redirect_after_post(self.request, "web:media_item", id=self.item.id, query={"saved": "changed"})

    async def context(self) -> Mapping[str, Any]:
        return {
            "item": library_item(self.request, self.item),
            "uses": await uses.find(self.ctx, self.item),
            "message": _replacement_message(self.request) or _MESSAGES.get(self.request.query_params.get("saved", "")),
        }


class MediaReplacement(MediaItemPage):
    """/media-library/{id}/replace: another image for the same entry."""

    async def get(self, request: Request) -> Response:
        """Show the page of the image, which has the form."""
        await self.start(request)
        return redirect_after_post(request, "web:media_item", id=self.item.id, fragment="replace")

    async def post(self, request: Request) -> Response:
        """Replace the image, also in posts and pages. Raises as `replacement.replace` does."""
        await self.start(request)
        media.require_uploader(self.ctx)  # before the body is read
        self.form = self.initial_form()
        try:
            async with read_upload(request, NoFields, limit=self.ctx.site.settings.max_media_body_bytes) as (_, file):
                done = await replacement.replace(self.ctx, self.item.id, file.content, file.name)
        except BlogError as error:
            return await self.render_error(error)
        query = {"replaced": str(done.changed), "unchanged": str(done.unchanged)}
        return redirect_after_post(request, "web:media_item", id=self.item.id, query=query)


class MediaDeletion(Endpoint):
    """/media-library/{id}/delete: delete an image."""

    async def get(self, request: Request) -> Response:
        """Ask for confirmation, with the places that use the image. Raises NotAuthenticated, Forbidden, NotFound."""
        ctx = request_context(request)
        item = await media.get(ctx, request.path_params["id"])
        found = await uses.find(ctx, item)
        return render_page(request, "media/delete.html", item=library_item(request, item), uses=found)

    async def post(self, request: Request) -> Response:
        """Delete the image, and return to the library."""
        await media.delete(require_user(request), request.path_params["id"])
        return redirect_after_post(request, "web:media_library", query={"saved": "deleted"})


def _replacement_message(request: Request) -> str:
    changed, unchanged = (request.query_params.get(name, "") for name in ("replaced", "unchanged"))
    if not (changed.isdecimal() and unchanged.isdecimal() and len(changed + unchanged) < 12):
        return ""
    message = f"File replaced in {_count_texts(int(changed))}."
    return message if int(unchanged) == 0 else f"{message} {_count_texts(int(unchanged)).capitalize()} still use the old one."


def _count_texts(number: int) -> str:
    return {0: "no text", 1: "one text"}.get(number, f"{number} texts")
