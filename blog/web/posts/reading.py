"""Pages for readers."""

from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.events import COMMENTS, POSTS, Position, post_channel
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.posts import post_lists, search, tags
from blog.domain.posts.models import Post, Tag
from blog.domain.read_models import author, post, profile, tag
from blog.domain.read_models.post import PostView
from blog.errors import NotFound
from blog.framework.caching.response_cache import cache_until_event
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.bots import is_human_view
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form
from blog.schemas.lists import PostQuery
from blog.schemas.posts import PostStatus
from blog.text.embeds import frame_origins
from blog.text.normalisation import fold_name
from blog.web.posts.share_image import share_image
from blog.web.posts.structured_data import blog_structured_data, post_structured_data
from blog.web.rendering import spam_trap
from blog.web.rendering.page import NO_STORE, render_invalid, render_page
from blog.web.rendering.pagination import next_page_path, page_cursor, page_number
from blog.web.rendering.redirects import current_path, permanent_redirect

_MAX_UNGROUPED_TAGS = 40


class HomePage(Endpoint):
    """/: the latest posts."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return a page of posts, with the cursor where live updates start."""
        ctx = request_context(request)
        after = page_cursor(request)
        cache_until_event(request, POSTS, COMMENTS)
        front = await post_lists.front_page(ctx, after)
        values = list_values(request, front.page, front.position, after) | {"featured": front.featured}
        return render_page(request, "posts/home.html", structured=blog_structured_data(request), **values)


class PostPage(Endpoint):
    """/posts/{slug}: one post and its comments."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return the post, or 301 to its current slug."""
        ctx = request_context(request)
        slug = request.path_params["slug"]
        view = await post.read(ctx, slug, page_cursor(request))
        if view.post.slug != slug:
            return permanent_redirect(request, "web:post", slug=view.post.slug)
        cache_until_event(request, POSTS, post_channel(view.post.id), counts_view_of=view.post.id)
        sent = dict(request.headers.raw)
        if request.method == "GET" and is_human_view(sent) and policy.counts_as_view(ctx.actor, view.post):
            ctx.site.view_counter.add(view.post.id, ctx.today, sent.get(b"referer"))
        headers = None if view.post.status is PostStatus.PUBLISHED else NO_STORE
        return render_page(request, "posts/post.html", headers=headers, **post_values(request, ctx, view, Form()))


class TagListPage(Endpoint):
    """/tags: all tags of published posts."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return the tags with post counts, grouped by first letter if there are many."""
        cache_until_event(request, POSTS)
        found = await tags.all_tags(request_context(request))
        by_letter = groupby(found, _index_letter if len(found) > _MAX_UNGROUPED_TAGS else lambda tag: "")
        return render_page(request, "posts/tags.html", groups=[(letter, list(group)) for letter, group in by_letter])


class TagPage(Endpoint):
    """/tags/{tag}: the posts with one tag."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return a page of posts; 404 if no published post has the tag, because tags of drafts are not public."""
        ctx = request_context(request)
        after = page_cursor(request)
        cache_until_event(request, POSTS, COMMENTS)
        address = request.path_params["tag"]
        view = await tag.read(ctx, address, after)
        if fold_name(view.tag.slug) != fold_name(address):
            return permanent_redirect(request, "web:tag", tag=view.tag.slug)
        return render_page(request, "posts/tag.html", view=view, **list_values(request, view.page, view.position, after))


class AuthorPage(Endpoint):
    """/authors/{username}: an author and their posts."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return the profile and a page of posts."""
        ctx = request_context(request)
        after = page_cursor(request)
        cache_until_event(request, POSTS, COMMENTS)
        view = await author.read(ctx, request.path_params["username"], after)
        bio = await profile.render_bio(view.user)
        values = list_values(request, view.page, view.position, after)
        return render_page(request, "posts/author.html", view=view, bio=bio, **values)


class ArchivePage(Endpoint):
    """/archive: all published posts, by year."""

    is_cacheable = True

    async def get(self, request: Request) -> Response:
        """Return the titles and dates of all posts."""
        cache_until_event(request, POSTS)
        ctx = request_context(request)
        entries, formats = await post_lists.archive(ctx), ctx.site.formats
        years = [(year, list(group)) for year, group in groupby(entries, lambda entry: formats.date(entry.published_at).year)]
        return render_page(request, "posts/archive.html", years=years)


class SearchPage(Endpoint):
    """/search?q=…: full-text search."""

    async def get(self, request: Request) -> Response:
        """Return a page of the best matches, or the empty form without a query."""
        ctx = request_context(request)
        form = Form({"q": request.query_params.get("q", "").strip()})
        if not form.value("q"):
            return render_page(request, "posts/search.html", form=form, results=None)
        query = form.parse(PostQuery)
        if query is None:
            return render_invalid(request, "posts/search.html", form, results=None)
        number = page_number(request)
        found = await search.search_posts(ctx, query.q or "", number)
        if number > found.page_count:
            raise NotFound("There are no more results")
        before = current_path(request, page=str(number - 1)) if number > 1 else None
        after = current_path(request, page=str(number + 1)) if number < found.page_count else None
        return render_page(
            request,
            "posts/search.html",
            form=form,
            results=found,
            page_number=number,
            previous_page_path=before,
            next_page_path=after,
        )


def post_values(request: Request, ctx: Context, view: PostView, form: Form) -> dict[str, Any]:
    """Return the template values of a post page, with `form` as its comment form."""
    image = share_image(request, view.post) if view.post.status is PostStatus.PUBLISHED else None
    return {
        "view": view,
        "post": view.post,
        "images": view.images,
        "frame_origins": frame_origins(view.post.html),
        "form": form,
        "can_leave": policy.can_leave(ctx.actor, view.post),
        "can_edit": policy.can_edit(ctx.actor, view.post),
        "can_moderate": policy.can_moderate(ctx.actor, view.post),
        "timestamp_token": spam_trap.timestamp_token(ctx, form) if ctx.actor or form.values else "",
        "comments_have_closed": policy.comments_have_closed(ctx, view.post.published_at),
        "editable_since": policy.comment_edit_cutoff(ctx),
        "next_page_path": next_page_path(request, view.next),
        "max_reply_depth": post.MAX_REPLY_DEPTH,
        "live_cursor": view.position.cursor,
        "share_image": image,
        "structured": post_structured_data(request, view.post, image) if image else None,
        "is_just_published": "published" in request.query_params and image is not None,
    }


def _index_letter(tag: Tag) -> str:
    first = tag.name[0].casefold()
    return first[0].upper() if first.isalpha() else "0\u20139" if first.isdigit() else "…"


def list_values(request: Request, found: ResultPage[Post], position: Position, after: CursorKey | None) -> dict[str, Any]:
    """Return the template values of a post list with live updates.

    found: the posts of this page
    position: the place in the event log where live updates start
    after: the cursor of this page; None for the first page
    """
    return {
        "posts": found.items,
        "next_page_path": next_page_path(request, found.next),
        "is_first": after is None,
        "live_cursor": position.cursor,
    }
