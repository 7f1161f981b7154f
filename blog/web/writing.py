"""Pages for writers."""

from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from blog.domain import autosaves, policy, post_lists, posts
from blog.domain.context import Actor
from blog.domain.models import Post
from blog.domain.post_lists import Wanted
from blog.errors import BlogError, NotSignedIn, StaleVersion
from blog.http.context import context
from blog.http.endpoint import Endpoint
from blog.http.forms import Form, read_form
from blog.http.statuses import status_of
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.web.editing import SESSION_OVER, autosave_in, resumed
from blog.web.reading import cursor_in, older
from blog.web.redirects import see_other
from blog.web.rendering import invalid, page, refused

M = TypeVar("M", bound=BaseModel)


class WritePage(Endpoint):
    """/write — a new post."""

    async def get(self, request: Request) -> Response:
        """The empty form; with `?autosave=`, what was typed before and never saved."""
        ctx = context(request)
        policy.require_writer(ctx)
        form, kept = await resumed(request, ctx, Form({"status": PostStatus.PUBLISHED.value}))
        return page(request, "writing/write.html", form=form, kept=kept)

    async def post(self, request: Request) -> Response:
        """Write it; on to the post."""
        ctx = context(request)
        form = await read_form(request)
        new = _typed(form, NewPost)
        if new is None:
            return invalid(request, "writing/write.html", form)
        try:
            post = await posts.create(ctx, new)
        except BlogError as error:
            return refused(request, "writing/write.html", form, error)
        await autosaves.finish(ctx, autosave_in(form))
        return see_other(request, "web:post", slug=post.slug)


class EditPostPage(Endpoint):
    """/posts/{slug}/edit — change a post."""

    async def get(self, request: Request) -> Response:
        """The form with the present text; with `?autosave=`, with what was typed before and never saved."""
        ctx = context(request)
        post = await posts.find(ctx, request.path_params["slug"])
        policy.require_edit(ctx, post)
        form, kept = await resumed(request, ctx, _form_of(post), post)
        return page(request, "writing/edit.html", form=form, post=post, is_stale=False, kept=kept)

    async def post(self, request: Request) -> Response:
        """Save it, unless somebody else did since the form was opened: then the typed text comes back, 412."""
        ctx = context(request)
        form = await read_form(request)
        if ctx.actor is None:
            # The draft itself is hidden from a stranger, but what was typed belongs to whoever typed it.
            return refused(request, "writing/write.html", form, NotSignedIn(SESSION_OVER), slug=request.path_params["slug"])
        post = await posts.find(ctx, request.path_params["slug"])
        policy.require_edit(ctx, post)
        changes = _typed(form, PostChanges)
        if changes is None:
            return invalid(request, "writing/edit.html", form, post=post, is_stale=False)
        try:
            after = await posts.edit(ctx, post.id, changes, if_match={_version(form)})
        except StaleVersion as error:
            # Who has read the warning may decide to replace the newer text.
            form.values["version"] = str(post.version)
            return page(request, "writing/edit.html", status_of(error), form=form, post=post, is_stale=True)
        except BlogError as error:
            return refused(request, "writing/edit.html", form, error, post=post, is_stale=False)
        await autosaves.finish(ctx, autosave_in(form))
        return see_other(request, "web:post", slug=after.slug)


class DeletePostPage(Endpoint):
    """/posts/{slug}/delete — take a post down."""

    async def get(self, request: Request) -> Response:
        """Ask once more."""
        ctx = context(request)
        post = await posts.find(ctx, request.path_params["slug"])
        policy.require_edit(ctx, post)
        return page(request, "writing/delete.html", post=post)

    async def post(self, request: Request) -> Response:
        """Delete it; on to the dashboard."""
        ctx = context(request)
        post = await posts.find(ctx, request.path_params["slug"])
        await posts.delete(ctx, post.id)
        return see_other(request, "web:dashboard")


class Dashboard(Endpoint):
    """/dashboard — the writer's own drafts, scheduled and published posts."""

    async def get(self, request: Request) -> Response:
        """The newest of each kind; with `?status=`, all of one kind, page by page."""
        ctx = context(request)
        actor = policy.require_writer(ctx)
        chosen = _chosen(request)
        after = cursor_in(request) if chosen else None
        sections = []
        for status in [chosen] if chosen else [PostStatus.DRAFT, PostStatus.SCHEDULED, PostStatus.PUBLISHED]:
            found = await post_lists.page(ctx, _own(actor, status, after))
            sections.append({"status": status, "posts": found.items, "has_more": found.next is not None})
        more = older(request, found.next) if chosen else None
        unfinished = [] if chosen else await autosaves.newest(ctx)
        return page(request, "writing/dashboard.html", sections=sections, chosen=chosen, older=more, unfinished=unfinished)


def _own(actor: Actor, status: PostStatus, after: tuple[str, int] | None) -> Wanted:
    return Wanted(author=actor.username, status=status, after=after)


def _chosen(request: Request) -> PostStatus | None:
    wanted = request.query_params.get("status")
    return PostStatus(wanted) if wanted in set(PostStatus) else None


def _typed(form: Form, model: type[M]) -> M | None:
    """The form as a model: tags between commas, times in UTC, an empty slug as none. None: `form.errors` says why."""
    typed = form.values
    moment = typed.get("publish_at", "") if typed.get("status") == PostStatus.SCHEDULED else ""
    changed: dict[str, Any] = {
        "tags": [tag for part in typed.get("tags", "").split(",") if (tag := part.strip())],
        "slug": typed.get("slug", "").strip() or None,
        "publish_at": f"{moment}Z" if moment else None,
        "version": None,
        "autosave": None,
    }
    return form.parse(model, **changed)


def _version(form: Form) -> int:
    """The version that the writer began with. What is no number is no version: 0 is always stale."""
    sent = form.value("version")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else 0


def _form_of(post: Post) -> Form:
    return Form(
        {
            "title": post.title,
            "content": post.content,
            "tags": ", ".join(post.tags),
            "slug": post.slug,
            "status": post.status.value,
            "publish_at": f"{post.publish_at:%Y-%m-%dT%H:%M}" if post.publish_at else "",
            "comments_open": "true" if post.comments_open else "false",
            "version": str(post.version),
        }
    )
