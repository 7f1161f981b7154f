"""The media library: a searchable grid of uploaded images, and the upload form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.media.file_types import FileKind
from blog.domain.media.models import Media, MediaFilter
from blog.errors import BlogError, FieldError, InvalidInput, PayloadTooLarge
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.parsing import parse_number
from blog.framework.request.state import app_state
from blog.framework.request.uploads import MAX_FILES, UploadedFile, read_uploads
from blog.schemas.media import NewMedia
from blog.text.file_names import clean_file_name
from blog.web.rendering.page import render_error, render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post, safe_local_path

_PAGE_SIZE = 24
_MAX_SEARCH_LENGTH = 200
_EVERYBODY = "*"
_NOT_AN_IMAGE = "This file is in the library now, but it is not an image. Upload or choose an image."
_CHOICE_FRAGMENT = "#field-feature_image"


@dataclass(frozen=True, slots=True)
class LibraryItem:
    """A file, the URL of its smallest copy if it is an image, and the Markdown that shows it or links to it."""

    media: Media
    thumbnail: str | None
    markdown: str


class MediaLibrary(Endpoint):
    """/media-library: own files; for editors those of everybody. `?q=` searches, `?uploader=` selects a person.

    `?choose=` is the path of a form of this site. The page then lists images, each with a link to the form that names the image
    in `feature_image`.
    """

    async def get(self, request: Request) -> Response:
        """Show a page of images, newest first. Raises NotAuthenticated, Forbidden."""
        ctx = request_context(request)
        media.require_uploader(ctx)
        return render_page(request, "media/library.html", form=Form(), **await _list_values(request, ctx))

    async def post(self, request: Request) -> Response:
        """Store the files. Show the page of a single file, or the library. A refused file does not stop the others."""
        ctx = require_user(request)
        media.require_uploader(ctx)  # before the body is read
        form = Form()
        try:
            async with read_uploads(request, NewMedia, limit=ctx.site.settings.max_media_body_bytes) as (new, files):
                form.values["alt"] = new.alt
                stored = await _store(ctx, new, files)
            if form_path := _form_path(request):
                return _redirect_to_form(form_path, stored[0][0])
        except BlogError as error:
            return render_error(request, "media/library.html", form, error, **await _list_values(request, ctx))
        if len(stored) > 1:
            return redirect_after_post(request, "web:media_library", query={"saved": str(len(stored))})
        image, is_new = stored[0]
        return redirect_after_post(request, "web:media_item", id=image.id, query={"saved": "uploaded" if is_new else "known"})


def library_item(request: Request, image: Media) -> LibraryItem:
    """Return what pages show of a file."""
    path = app_state(request).urls.path
    small = image.variants[-1].name if image.variants else image.name
    is_player = image.kind in (FileKind.AUDIO, FileKind.VIDEO)
    label = image.alt if image.is_image else image.alt or image.download_name
    escaped = label.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
    markdown = f"{'!' if image.is_image or is_player else ''}[{escaped}]({path('media', name=image.name)})"
    return LibraryItem(image, path("media", name=small) if image.is_image else None, markdown)


async def _store(ctx: Context, new: NewMedia, files: Sequence[UploadedFile]) -> list[tuple[Media, bool]]:
    """Store each file; the fields of the form describe a single one. Raises InvalidInput that names the refused files."""
    if len(files) == 1:
        return [await media.upload(ctx, files[0].content, new.with_file_name(files[0].name))]
    stored, refused = [], []
    for file in files:
        try:
            stored.append(await media.upload(ctx, file.content, NewMedia().with_file_name(file.name)))
        except (InvalidInput, PayloadTooLarge) as error:
            refused.append(f"{clean_file_name(file.name)}: {error.detail.rstrip('.')}.")
    if refused:
        refused.append(f"{len(stored)} of {len(files)} files were uploaded.")
        raise InvalidInput([FieldError(("body", "file"), " ".join(refused), "file_type")])
    return stored


def _message(request: Request) -> str:
    saved = request.query_params.get("saved", "")
    if saved == "deleted":
        return "File deleted."
    number = parse_number(saved)
    return "" if not number else "File uploaded." if number == 1 else f"{number} files uploaded."


def _form_path(request: Request) -> str:
    """Return the path of the form that an image is chosen for, or an empty string."""
    return safe_local_path(request.query_params.get("choose", ""))


def _redirect_to_form(form_path: str, image: Media) -> Response:
    if not image.is_image:
        raise InvalidInput([FieldError(("body", "file"), _NOT_AN_IMAGE, "file_type")])
    return RedirectResponse(f"{_choice_prefix(form_path)}{image.id}{_CHOICE_FRAGMENT}", 303)


def _choice_prefix(form_path: str) -> str:
    """Return the path that chooses an image, without its id."""
    return f"{form_path}{'&' if '?' in form_path else '?'}feature_image="


async def _list_values(request: Request, ctx: Context) -> dict[str, Any]:
    text = request.query_params.get("q", "").strip()[:_MAX_SEARCH_LENGTH]
    people = await media.uploaders(ctx)
    chosen = request.query_params.get("uploader", _EVERYBODY) if people else None
    form_path = _form_path(request)
    wanted = MediaFilter(text, chosen, images_only=bool(form_path))
    found = await media.list_page(ctx, wanted, limit=_PAGE_SIZE, after=page_cursor(request))
    return {
        "items": [library_item(request, image) for image in found.items],
        "form_path": form_path,
        "choice_prefix": _choice_prefix(form_path),
        "choice_fragment": _CHOICE_FRAGMENT,
        "next_page_path": next_page_path(request, found.next),
        "q": text,
        "people": people,
        "chosen": chosen,
        "is_filtered": bool(text) or chosen not in (None, _EVERYBODY),
        "message": _message(request),
        "max_files": MAX_FILES,
        "max_bytes": ctx.site.settings.max_media_body_bytes,
    }
