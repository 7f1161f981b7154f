"""Pages for writing, editing and deleting posts, and the dashboard."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.posts import autosaves, post_lists, posts, presence
from blog.domain.posts.models import Post
from blog.domain.read_models import dashboard
from blog.errors import BlogError, NotAuthenticated, NotFound, VersionConflict
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.parsing import parse_number
from blog.framework.request.state import app_state
from blog.framework.response.error_statuses import error_status
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.text.formats import Formats
from blog.text.normalisation import normalise_line
from blog.web.posts.autosave import SESSION_EXPIRED, autosave_id, restore_autosave
from blog.web.posts.conflict import form_from_content, render_conflict
from blog.web.posts.feature_image import add_chosen_image
from blog.web.posts.loading import load_editable_post
from blog.web.posts.local_times import field_value, submitted_time
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post

_POST_GONE = (
    "This post was deleted while you were writing, or you can no longer edit it. Your text is below: save it as a new post, "
    "or check your dashboard to undo the deletion."
)
P = TypeVar("P", NewPost, PostChanges)


class NewPostPage(Endpoint):
    """/write: a new post."""

    async def get(self, request: Request) -> Response:
        """Return the empty form, or with `?autosave=` the restored one."""
        ctx = request_context(request)
        policy.require_writer(ctx)
        form, offer = await restore_autosave(request, ctx, Form({"authors": ctx.require_actor().username}))
        form = await add_chosen_image(request, ctx, form)
        return render_page(request, "posts/write.html", form=form, autosave_offer=offer)

    async def post(self, request: Request) -> Response:
        """Create the post, a draft unless the form has another status, and redirect to it."""
        ctx = request_context(request)
        form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        form.values.setdefault("status", PostStatus.DRAFT.value)
        new = _parse_post(ctx, form, NewPost)
        if new is None:
            return render_invalid(request, "posts/write.html", form)

        async def create() -> Response:
            post = await posts.create(ctx, new)
            await autosaves.discard_saved(ctx, autosave_id(form))
            return _redirect_to_saved(request, form, post)

        try:
            return await run_once(request, ctx, form, create)
        except BlogError as error:
            return render_error(request, "posts/write.html", form, error)


class EditPostPage(Endpoint):
    """/posts/{slug}/edit: edit a post."""

    async def get(self, request: Request) -> Response:
        """Return the form with the current post, or with `?autosave=` the restored form, and the other editors."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        form, offer = await restore_autosave(request, ctx, form_from_content(post, post.version, ctx.site.formats), post)
        form = await add_chosen_image(request, ctx, form)
        others = (await presence.touch(ctx, post.id)).others
        is_saved = post.status is PostStatus.DRAFT and parse_number(request.query_params.get("saved", "")) == post.version
        return render_page(
            request, "posts/edit.html", form=form, post=post, others=others, autosave_offer=offer, is_saved=is_saved
        )

    async def post(self, request: Request) -> Response:
        """Save the changes; if the post changed since the form was opened, return the conflict page (412)."""
        ctx = request_context(request)
        form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        if ctx.actor is None:
            # Show the form again without loading the post, so that an expired session loses no text and reveals no draft.
            return render_error(
                request, "posts/write.html", form, NotAuthenticated(SESSION_EXPIRED), slug=request.path_params["slug"]
            )
        try:
            post = await load_editable_post(ctx, request)
        except BlogError as error:
            return _post_gone(request, form, error)
        changes = _parse_post(ctx, form, PostChanges, post)
        if changes is None:
            return render_invalid(request, "posts/edit.html", form, post=post, others=())

        async def save() -> Response:
            after = await posts.edit(ctx, post.id, changes, if_match={parse_number(form.value("version"))})
            await autosaves.discard_saved(ctx, autosave_id(form))
            await presence.leave(ctx, post.id)
            return _redirect_to_saved(request, form, after)

        try:
            return await run_once(request, ctx, form, save)
        except VersionConflict:
            return await render_conflict(request, ctx, form, await posts.get(ctx, post.id), changes)
        except NotFound as error:
            return _post_gone(request, form, error)
        except BlogError as error:
            return render_error(request, "posts/edit.html", form, error, post=post, others=())


class DeletePostPage(Endpoint):
    """/posts/{slug}/delete: delete a post."""

    async def get(self, request: Request) -> Response:
        """Ask for confirmation."""
        ctx = request_context(request)
        post = await posts.get_by_slug(ctx, request.path_params["slug"])
        policy.require_edit(ctx, post)
        return render_page(request, "posts/delete.html", post=post)

    async def post(self, request: Request) -> Response:
        """Delete the post and redirect to the dashboard, which offers an undo."""
        ctx = request_context(request)
        post = await posts.get_by_slug(ctx, request.path_params["slug"])
        await posts.delete(ctx, post.id)
        return RedirectResponse(f"{app_state(request).urls.path('web:dashboard')}?deleted={post.id}", 303)


class Dashboard(Endpoint):
    """/dashboard: the user's own posts."""

    async def get(self, request: Request) -> Response:
        """Return the latest posts of each status, or with `?status=` one status page by page."""
        ctx = request_context(request)
        policy.require_writer(ctx)
        values: dict[str, Any] = {"selected": (selected := _selected_status(request)), "unfinished": (), "deleted": ()}
        values["first_steps"] = ()
        values["can_edit_all"] = policy.can_edit_all(ctx.actor)
        if selected:
            page = await post_lists.list_page(ctx, dashboard.own_posts(ctx, selected, page_cursor(request)))
            values |= {"pages": [(selected, page)], "next_page_path": next_page_path(request, page.next)}
        else:
            view = await dashboard.read(ctx)
            values |= {"pages": view.pages, "unfinished": view.unfinished, "deleted": view.deleted}
            values["first_steps"] = view.first_steps
        return render_page(request, "posts/dashboard.html", undo=await _just_deleted(ctx, request), **values)


def _selected_status(request: Request) -> PostStatus | None:
    text = request.query_params.get("status")
    return PostStatus(text) if text in set(PostStatus) else None


def _parse_post(ctx: Context, form: Form, model: type[P], post: Post | None = None) -> P | None:
    """Return the form as `model`, or None with messages in `form.errors`. Names are comma-separated, times are in the zone of
    the blog.

    post: the edited post; None for a new post.
    """
    values, formats = form.values, ctx.site.formats
    authors = _split_names(values.get("authors", ""))
    is_new_date = post is None or form.value("published_at") != field_value(post.published_at, formats)
    changed: dict[str, Any] = {
        "tags": _split_names(values.get("tags", "")),
        "authors": authors if authors or (post and "authors" in values) else None,  # empty: the writer of a new post
        "slug": values.get("slug", "").strip() or None,
        "publish_at": _publish_at(form, formats, post.publish_at if post else None),
        "published_at": submitted_time(form, "published_at", formats, None) if is_new_date else None,
        **_feature_image(values),
        "version": None,
        "autosave": None,
        "then": None,
    }
    data = form.parse(model, **changed)
    return None if form.errors else data


def _split_names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := normalise_line(part))]


def _feature_image(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the image of a form as one value, and None for the fields that it is made of."""
    names = {name: f"feature_image_{name}" for name in ("url", "alt", "caption")}
    parts = {name: values.get(field, "").strip() for name, field in names.items()}
    image = None if names["url"] not in values else parts if parts["url"] else ""
    return {**dict.fromkeys(names.values()), "feature_image": image}


def _publish_at(form: Form, formats: Formats, stored: dt.datetime | None) -> str | None:
    """Return the publication time of a form. A stored time that was not changed does not contradict another status."""
    status = form.values.get("status")
    is_stored = form.value("publish_at") == field_value(stored, formats)
    if status != PostStatus.SCHEDULED and (status is None or is_stored):
        return None
    return submitted_time(form, "publish_at", formats, stored)


def _redirect_to_saved(request: Request, form: Form, post: Post) -> Response:
    """Redirect to the page that the button named, else to the post; from a draft back to the editor, to go on writing."""
    if (then := form.value("then")) and post.status is not PostStatus.PUBLISHED:
        return redirect_after_post(request, "web:post_publish", slug=post.slug, fragment="schedule" if then == "schedule" else "")
    if post.status is PostStatus.DRAFT:
        return redirect_after_post(request, "web:post_edit", query={"saved": str(post.version)}, slug=post.slug)
    return redirect_after_post(request, "web:post", slug=post.slug)


def _post_gone(request: Request, form: Form, error: BlogError) -> Response:
    """Return the form as that of a new post: the post was deleted, or the user can no longer edit it."""
    form.values |= {"slug": "", "version": ""}
    form.add_error(NotFound(_POST_GONE) if isinstance(error, NotFound) else error)
    return render_page(request, "posts/write.html", error_status(error), form=form)


async def _just_deleted(ctx: Context, request: Request) -> Post | None:
    """Return the post of `?deleted=` if its deletion can be undone."""
    if "deleted" not in request.query_params:
        return None
    try:
        return await posts.get_deleted(ctx, parse_number(request.query_params["deleted"]))
    except NotFound:
        return None
