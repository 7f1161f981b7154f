"""Pages for listing, viewing, comparing and restoring the versions of a post."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.media import embedded_images
from blog.domain.posts import history, posts, revisions
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS, FieldKind, display_items
from blog.errors import FieldError, InvalidInput, VersionConflict
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.forms import read_form
from blog.framework.request.parsing import parse_number
from blog.framework.response.error_statuses import error_status
from blog.web.posts.loading import load_editable_post
from blog.web.rendering.page import render_page
from blog.web.rendering.pagination import next_page_path, page_cursor
from blog.web.rendering.redirects import redirect_after_post

_LISTED_FIELDS = [field for field in POST_FIELDS if field.name != "title" and field.kind is not FieldKind.TEXT]
"""The fields of a version that its page lists; the title and the text have places of their own."""


class HistoryPage(Endpoint):
    """/posts/{slug}/history: all versions, newest first."""

    async def get(self, request: Request) -> Response:
        """Return a page of versions; two can be selected for comparison."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        found = await history.list_page(ctx, post.id, after=page_cursor(request))
        return render_page(
            request,
            "posts/history.html",
            post=post,
            revisions=found.items,
            next_page_path=next_page_path(request, found.next),
            keeps_authors=request.query_params.get("kept") == "authors",
        )


class ComparisonPage(Endpoint):
    """/posts/{slug}/history/diff?from=3&to=7: the changes between two versions, word by word."""

    async def get(self, request: Request) -> Response:
        """Compare the older with the newer version, in any order of the parameters. Raises InvalidInput for no version number."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        found = await history.compare(ctx, post.id, _version_parameter(request, "from"), _version_parameter(request, "to"))
        return render_page(request, "posts/diff.html", post=post, comparison=found)


class VersionPage(Endpoint):
    """/posts/{slug}/history/{version}: one version."""

    async def get(self, request: Request) -> Response:
        """Return the rendered version and its Markdown source."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        return render_page(request, "posts/version.html", **await _values(ctx, request, post))


class VersionRestore(Endpoint):
    """/posts/{slug}/history/{version}/restore: restore an old version."""

    async def post(self, request: Request) -> Response:
        """Save the old version as the newest and redirect to the history; 412 if the post changed since the page was opened."""
        ctx = request_context(request)
        form = await read_form(request)
        post = await load_editable_post(ctx, request)
        shown = parse_number(form.value("version"))
        try:
            restored = await revisions.restore(ctx, post.id, request.path_params["version"], if_match={shown})
        except VersionConflict as error:
            values = await _values(ctx, request, await posts.get(ctx, post.id))
            return render_page(request, "posts/version.html", error_status(error), **values | {"is_stale": True})
        query = {"kept": "authors"} if restored.keeps_authors else {}
        return redirect_after_post(request, "web:post_history", query=query, slug=post.slug)


async def _values(ctx: Context, request: Request, post: Post) -> dict[str, Any]:
    revision = await revisions.get(ctx, post.id, request.path_params["version"])
    html = await history.render_html(revision)
    return {
        "post": post,
        "revision": revision,
        "fields": [
            (field.label, items) for field in _LISTED_FIELDS if (items := display_items(field, revision, ctx.site.formats))
        ],
        "html": html,
        "images": await embedded_images.find(ctx.db, html),
        "restored": [field.noun for field in POST_FIELDS if field.is_restored],
        "unchanged": [field.noun for field in POST_FIELDS if not field.is_restored],
        "is_stale": False,
    }


def _version_parameter(request: Request, name: str) -> int:
    if version := parse_number(request.query_params.get(name, "")):
        return version
    raise InvalidInput([FieldError(("query", name), "Select two versions on the history page", "version")])
