"""What an open form of a post needs while somebody writes: previews, and keeping what is typed before it is saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import Post
from blog.domain.posts import autosaves, posts, rendering
from blog.domain.posts.autosaves import Autosave
from blog.errors import BlogError, NotSignedIn
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.parsing import read_json, validate
from blog.framework.request.state import services
from blog.framework.response.json import as_json
from blog.schemas.autosaves import AutosaveOut, PreviewText, TypedForm
from blog.web.rendering.page import page, refused
from blog.web.rendering.redirects import see_other

SESSION_OVER = "You are not signed in any more. Sign in in another window, then send this once more: nothing typed is lost."


@dataclass(frozen=True, slots=True)
class Kept:
    """The autosaves that concern a form: the one that it shows, and others to go on with. `is_behind`: the post changed since."""

    resumed: Autosave | None
    others: Sequence[Autosave]
    is_behind: bool


class NewPostPreview(Endpoint):
    """/write/preview — a new post as readers would see it."""

    async def post(self, request: Request) -> Response:
        """JSON: the text as a fragment of HTML. A form: the page of the form, with everything typed and the text above it."""
        if _is_json(request):
            return await _fragment(request)
        return await _preview_page(request, context(request), await read_form(request), "writing/write.html")


class PostPreview(Endpoint):
    """/posts/{slug}/edit/preview — a post as it would be after saving."""

    async def post(self, request: Request) -> Response:
        """The page of the form, as for a new post."""
        ctx, slug = context(request), request.path_params["slug"]
        form = await read_form(request)
        if ctx.actor is None:
            return refused(request, "writing/write.html", form, NotSignedIn(SESSION_OVER), slug=slug)
        post = policy.require_edit(ctx, await posts.find(ctx, slug))
        return await _preview_page(request, ctx, form, "writing/edit.html", post=post, others=())


class NewPostAutosave(Endpoint):
    """/write/autosave — what is typed of a post that was never saved."""

    async def post(self, request: Request) -> Response:
        """Keep a form, as JSON or as sent by a browser; its field `autosave` is the id of the first answer."""
        return await _keep(request, signed_in(request))


class PostAutosave(Endpoint):
    """/posts/{slug}/autosave — what is typed of changes to a post."""

    async def post(self, request: Request) -> Response:
        """As for a new post."""
        ctx = signed_in(request)
        return await _keep(request, ctx, await posts.find(ctx, request.path_params["slug"]))


class AutosaveDiscard(Endpoint):
    """/autosaves/{id}/discard — text that its writer does not want any more."""

    async def post(self, request: Request) -> Response:
        """Forget it; back to the form without it."""
        gone = await autosaves.discard(context(request), request.path_params["id"])
        if gone.slug is None:
            return see_other(request, "web:write")
        return see_other(request, "web:post_edit", slug=gone.slug)


async def resumed(request: Request, ctx: Context, fresh: Form, post: Post | None = None) -> tuple[Form, Kept]:
    """The form, filled from the autosave that the address names, if it is one; what differs from `fresh` is offered."""
    found = await (autosaves.of_post(ctx, post) if post else autosaves.of_new_posts(ctx))
    unsaved = [autosave for autosave in found if post is None or _differs(autosave.form, fresh.values)]
    chosen = next((autosave for autosave in found if str(autosave.id) == request.query_params.get("autosave")), None)
    others = [autosave for autosave in unsaved if autosave is not chosen]
    if chosen is None:
        return fresh, Kept(None, others, False)
    is_behind = post is not None and chosen.form.get("version") != fresh.values["version"]
    return Form({**fresh.values, **chosen.form, "autosave": str(chosen.id)}), Kept(chosen, others, is_behind)


def autosave_in(form: Form) -> int | None:
    """The id of the autosave that a form goes on with, if any."""
    sent = form.value("autosave")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 19 else None


def _differs(typed: Mapping[str, str], saved: Mapping[str, str]) -> bool:
    return any(typed.get(name, "") != value for name, value in saved.items() if name != "version")


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _fragment(request: Request) -> Response:
    ctx = signed_in(request)
    text = await read_json(request, PreviewText)
    html = services(request).templates.render("writing/_preview.html", preview=await rendering.preview(ctx, text.content))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


async def _preview_page(request: Request, ctx: Context, form: Form, template: str, **values: Any) -> Response:
    try:
        text = validate(PreviewText, {"content": form.value("content")}, "body")
        html = await rendering.preview(ctx, text.content)
    except BlogError as error:
        return refused(request, template, form, error, **values)
    return page(request, template, form=form, preview=html, **values)


async def _keep(request: Request, ctx: Context, post: Post | None = None) -> Response:
    if _is_json(request):
        typed = await read_json(request, TypedForm)
    else:
        typed = validate(TypedForm, (await read_form(request)).values, "body")
    form = Form(typed.root)
    fields = {name: value for name, value in form.values.items() if name != "autosave"}
    kept = await autosaves.keep(ctx, fields, post=post, autosave_id=autosave_in(form))
    return as_json(AutosaveOut(id=kept, saved_at=ctx.now))
