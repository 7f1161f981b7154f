"""Autosave and preview for the editor of posts and static pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.media import embedded_images
from blog.domain.posts import autosaves, posts, rendering
from blog.domain.posts.autosaves import Autosave, Edited, TextKind
from blog.errors import BlogError, NotAuthenticated
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import FORM_KEY, Form, read_form
from blog.framework.request.parsing import media_type, read_json, validate
from blog.framework.request.state import app_state
from blog.framework.response.json import json_response
from blog.schemas.autosaves import AutosaveForm, AutosaveOut, PreviewText
from blog.web.rendering.page import render_error, render_page
from blog.web.rendering.redirects import redirect_after_post

SESSION_EXPIRED = "You are signed out. Sign in in another tab, then submit again; your text is still here."


@dataclass(frozen=True, slots=True)
class AutosaveOffer:
    """Autosaves for a form: the restored one, and others to offer. `is_stale`: the text changed after `restored` was saved."""

    restored: Autosave | None
    others: Sequence[Autosave]
    is_stale: bool


class NewPostPreview(Endpoint):
    """/write/preview: preview of a new post."""

    async def post(self, request: Request) -> Response:
        """Return an HTML fragment for JSON, or the editor page with the preview for a form."""
        if media_type(request) == "application/json":
            return await _preview_fragment(request)
        ctx, page = request_context(request), app_state(request).urls.path("web:write")
        form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
        return await render_preview_page(request, ctx, form, "posts/write.html", return_path=page)


class PostPreview(Endpoint):
    """/posts/{slug}/edit/preview: preview of changes to a post."""

    async def post(self, request: Request) -> Response:
        """Return the editor page with the preview."""
        ctx, slug = request_context(request), request.path_params["slug"]
        form, page = (
            await read_form(request, max_bytes=MAX_POST_BODY_BYTES),
            app_state(request).urls.path("web:post_edit", slug=slug),
        )
        if ctx.actor is None:
            error = NotAuthenticated(SESSION_EXPIRED)
            return render_error(request, "posts/write.html", form, error, slug=slug, return_path=page)
        post = policy.require_edit(ctx, await posts.get_by_slug(ctx, slug))
        return await render_preview_page(request, ctx, form, "posts/edit.html", post=post, others=())


class NewPostAutosave(Endpoint):
    """/write/autosave: autosave of a new post."""

    async def post(self, request: Request) -> Response:
        """Store the form (JSON or form data). The field `autosave` is the id returned by the first call."""
        return await save_autosave(request, require_user(request), TextKind.POST)


class PostAutosave(Endpoint):
    """/posts/{slug}/autosave: autosave of changes to a post."""

    async def post(self, request: Request) -> Response:
        """Store the form, as for a new post."""
        ctx = require_user(request)
        return await save_autosave(request, ctx, await posts.get_by_slug(ctx, request.path_params["slug"]))


class AutosaveDiscard(Endpoint):
    """/autosaves/{id}/discard: delete an autosave."""

    async def post(self, request: Request) -> Response:
        """Delete the autosave and redirect to the form without it."""
        gone = await autosaves.discard(request_context(request), request.path_params["id"])
        if gone.slug is not None:
            return redirect_after_post(request, "web:post_edit", slug=gone.slug)
        if gone.page_id is not None:
            return redirect_after_post(request, "web:admin_page", id=gone.page_id)
        return redirect_after_post(request, "web:write" if gone.kind is TextKind.POST else "web:admin_page_new")


async def restore_autosave(
    request: Request, ctx: Context, initial: Form, edited: Edited = TextKind.POST
) -> tuple[Form, AutosaveOffer]:
    """Return the form, filled from the autosave given by `?autosave=`, and the autosaves to offer.

    initial: the form without an autosave
    """
    is_new = isinstance(edited, TextKind)
    candidates = await autosaves.list_own(ctx, edited)
    unsaved = [autosave for autosave in candidates if is_new or _differs(autosave.form, initial.values)]
    restored = next((autosave for autosave in candidates if str(autosave.id) == request.query_params.get("autosave")), None)
    others = [autosave for autosave in unsaved if autosave is not restored]
    if restored is None:
        return initial, AutosaveOffer(None, others, False)
    is_stale = not is_new and restored.form.get("version") != initial.values["version"]
    return Form({**initial.values, **restored.form, "autosave": str(restored.id)}), AutosaveOffer(restored, others, is_stale)


def autosave_id(form: Form) -> int | None:
    """Return the id of the autosave of a form, if any."""
    text = form.value("autosave")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _differs(typed: Mapping[str, str], saved: Mapping[str, str]) -> bool:
    """Return whether a typed value is not the saved one. A field that the form does not have is unchanged."""
    return any(name in typed and typed[name] != value for name, value in saved.items() if name != "version")


async def save_form(ctx: Context, form: Form, edited: Edited) -> int | None:
    """Store a form and return the id of its autosave, as `autosaves.save` does. Raises InvalidInput if it is too large."""
    typed = validate(AutosaveForm, form.values, "body").root
    fields = {name: value for name, value in typed.items() if name not in ("autosave", FORM_KEY)}
    return await autosaves.save(ctx, fields, edited, autosave_id=autosave_id(form))


async def _preview_fragment(request: Request) -> Response:
    ctx = require_user(request)
    text = await read_json(request, PreviewText, max_bytes=MAX_POST_BODY_BYTES)
    preview = await rendering.render_preview(ctx, text.content)
    images = await embedded_images.find(ctx.db, preview.html)
    html = app_state(request).templates.render("posts/_preview.html", preview=preview, images=images)
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


async def render_preview_page(request: Request, ctx: Context, form: Form, template: str, **values: Any) -> Response:
    """Return the page of the editor with a preview of the submitted text, which is not saved.

    values: the template's values other than the form and the preview.
    """
    try:
        text = validate(PreviewText, {"content": form.value("content")}, "body")
        preview = await rendering.render_preview(ctx, text.content)
    except BlogError as error:
        return render_error(request, template, form, error, **values)
    return render_page(
        request, template, form=form, preview=preview, images=await embedded_images.find(ctx.db, preview.html), **values
    )


async def save_autosave(request: Request, ctx: Context, edited: Edited) -> Response:
    """Store the submitted form as an autosave of this text. Raises NotAuthenticated, NotFound or Forbidden."""
    if media_type(request) == "application/json":
        typed = await read_json(request, AutosaveForm, max_bytes=MAX_POST_BODY_BYTES)
        form = Form(typed.root)
    else:
        form = await read_form(request, max_bytes=MAX_POST_BODY_BYTES)
    return json_response(AutosaveOut(id=await save_form(ctx, form, edited), saved_at=ctx.now))
