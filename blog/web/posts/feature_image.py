"""The choice of the feature image of a post in the media library, for browsers without JavaScript."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import posts
from blog.domain.posts.autosaves import Edited, TextKind
from blog.errors import BlogError, NotAuthenticated, NotFound
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.parsing import parse_number
from blog.framework.request.state import app_state
from blog.web.posts.autosave import SESSION_EXPIRED, save_form
from blog.web.rendering.page import render_error


class NewPostImage(Endpoint):
    """/write/feature-image: the button of the form for a new post."""

    async def post(self, request: Request) -> Response:
        """Autosave the form, and redirect to the media library. Its links lead back to the form with the chosen image."""
        ctx, page = request_context(request), app_state(request).urls.path("web:write")
        form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        try:
            if ctx.actor is None:
                raise NotAuthenticated(SESSION_EXPIRED)
            return await _open_library(request, ctx, form, page, TextKind.POST)
        except BlogError as error:
            return render_error(request, "posts/write.html", form, error, return_path=page)


class PostImage(Endpoint):
    """/posts/{slug}/edit/feature-image: the button of the form for a post."""

    async def post(self, request: Request) -> Response:
        """Autosave the form, and redirect to the media library, as for a new post."""
        ctx, slug = request_context(request), request.path_params["slug"]
        page = app_state(request).urls.path("web:post_edit", slug=slug)
        form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        if ctx.actor is None:
            error = NotAuthenticated(SESSION_EXPIRED)
            return render_error(request, "posts/write.html", form, error, slug=slug, return_path=page)
        post = policy.require_edit(ctx, await posts.get_by_slug(ctx, slug))
        try:
            return await _open_library(request, ctx, form, page, post)
        except BlogError as error:
            return render_error(request, "posts/edit.html", form, error, post=post, others=())


async def add_chosen_image(request: Request, ctx: Context, form: Form) -> Form:
    """Return the form with the image of `?feature_image=`, an id of the media library, and its alt text."""
    media_id = parse_number(request.query_params.get("feature_image", ""))
    if not media_id:
        return form
    try:
        item = await media.get(ctx, media_id)
    except NotFound:  # deleted since, or of somebody else
        return form
    if not item.is_image:
        return form
    image = {"feature_image_url": app_state(request).urls.path("media", name=item.name), "feature_image_alt": item.alt}
    return Form(form.values | image)


async def _open_library(request: Request, ctx: Context, form: Form, page: str, edited: Edited) -> Response:
    media.require_uploader(ctx)
    saved_id = await save_form(ctx, form, edited)
    back = f"{page}?autosave={saved_id}" if saved_id else page
    library = app_state(request).urls.path("web:media_library")
    return RedirectResponse(f"{library}?{urlencode({'choose': back})}", 303)
