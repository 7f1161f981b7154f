"""Pages for readers."""

import re
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.events import COMMENTS, POSTS, Position, post_channel
from blog.domain.core.models import Page, Post, Tag
from blog.domain.posts import post_lists, search, tags
from blog.domain.posts.post_lists import Wanted
from blog.domain.read_models import author, post, profile, tag
from blog.domain.read_models.post import PostView
from blog.errors import NotFound
from blog.framework.caching.response_cache import share
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.bots import is_reader
from blog.framework.request.context import context
from blog.framework.request.forms import Form
from blog.framework.response import pagination
from blog.framework.response.pagination import Key
from blog.schemas.lists import PostQuery
from blog.schemas.posts import PostStatus
from blog.web.discovery.finding import structured_blog, structured_post
from blog.web.posts.social_card import card_url
from blog.web.rendering import spam_trap
from blog.web.rendering.page import invalid, page
from blog.web.rendering.redirects import here, moved

_MANY_TAGS = 40
_PAGE_NUMBER = re.compile("[1-9][0-9]{0,5}")


class HomePage(Endpoint):
    """/ — the newest posts."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """A page of posts, with the cursor from which its live updates go on."""
        ctx = context(request)
        after = cursor_in(request)
        share(request, POSTS, COMMENTS)
        front = await post_lists.front(ctx, Wanted(after=after))
        values = list_values(request, front.page, front.position, after)
        return page(request, "reading/home.html", structured=structured_blog(request), **values)


class PostPage(Endpoint):
    """/posts/{slug} — one post and its comments."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """The post; 301 from an old slug to the present one."""
        ctx = context(request)
        slug = request.path_params["slug"]
        view = await post.read(ctx, slug, cursor_in(request))
        if view.post.slug != slug:
            return moved(request, "web:post", slug=view.post.slug)
        share(request, POSTS, post_channel(view.post.id), viewed=view.post.id)
        if request.method == "GET" and is_reader(request.headers) and policy.is_counted(ctx.actor, view.post):
            ctx.site.views.add(view.post.id, ctx.now.date())
        return page(request, "reading/post.html", **post_values(request, ctx, view, Form()))


class TagListPage(Endpoint):
    """/tags — every tag that is in use."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """The tags with their numbers of posts; when there are many, by their first letters."""
        share(request, POSTS)
        found = await tags.all_tags(context(request))
        letters = groupby(found, _initial if len(found) > _MANY_TAGS else lambda tag: "")
        return page(request, "reading/tags.html", groups=[(letter, list(group)) for letter, group in letters])


class TagPage(Endpoint):
    """/tags/{tag} — the posts with one tag."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """A page of posts; 404 for a tag that no published post carries, since drafts have tags too."""
        ctx = context(request)
        after = cursor_in(request)
        share(request, POSTS, COMMENTS)
        view = await tag.read(ctx, request.path_params["tag"], after)
        return page(request, "reading/tag.html", view=view, **list_values(request, view.page, view.position, after))


class AuthorPage(Endpoint):
    """/authors/{username} — a person and what they wrote."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """A page of posts."""
        ctx = context(request)
        after = cursor_in(request)
        share(request, POSTS, COMMENTS)
        view = await author.read(ctx, request.path_params["username"], after)
        bio = await profile.bio_html(view.user)
        values = list_values(request, view.page, view.position, after)
        return page(request, "reading/author.html", view=view, bio=bio, **values)


class ArchivePage(Endpoint):
    """/archive — everything that was published, by year."""

    is_shared = True

    async def get(self, request: Request) -> Response:
        """Each post on a line of its own."""
        share(request, POSTS)
        entries = await post_lists.archive(context(request))
        years = [(year, list(group)) for year, group in groupby(entries, lambda entry: entry.published_at.year)]
        return page(request, "reading/archive.html", years=years)


class SearchPage(Endpoint):
    """/search?q=… — find posts by their words."""

    async def get(self, request: Request) -> Response:
        """The best matches; without words, just the form."""
        ctx = context(request)
        form = Form({"q": request.query_params.get("q", "").strip()})
        if not form.value("q"):
            return page(request, "reading/search.html", form=form, found=None)
        query = form.parse(PostQuery)
        if query is None:
            return invalid(request, "reading/search.html", form, found=None)
        number = number_in(request)
        found = await search.find(ctx, query.q or "", number)
        if number > found.pages:
            raise NotFound("What was found has fewer pages")
        before = here(request, page=str(number - 1)) if number > 1 else None
        after = here(request, page=str(number + 1)) if number < found.pages else None
        return page(request, "reading/search.html", form=form, found=found, number=number, before=before, after=after)


def post_values(request: Request, ctx: Context, view: PostView, form: Form) -> dict[str, Any]:
    """What the page of a post shows; also when it comes back with a comment that was refused."""
    is_public = view.post.status is PostStatus.PUBLISHED
    return {
        "view": view,
        "post": view.post,
        "form": form,
        "may_edit": policy.may_edit(ctx.actor, view.post),
        "may_moderate": policy.may_moderate(ctx.actor, view.post),
        "form_mark": spam_trap.mark(ctx, form) if ctx.actor or form.values else "",
        "editable_since": policy.editable_since(ctx),
        "more": older(request, view.next),
        "deepest": post.DEEPEST,
        "live_cursor": view.position.cursor,
        "card": card_url(request, view.post) if is_public else None,
        "structured": structured_post(request, view.post) if is_public else None,
    }


def _initial(tag: Tag) -> str:
    first = tag.name[0].casefold()
    return first[0].upper() if first.isalpha() else "0\u20139" if first.isdigit() else "…"


def list_values(request: Request, found: Page[Post], position: Position, after: Key | None) -> dict[str, Any]:
    """What every list of posts shows that follows live."""
    return {
        "posts": found.items,
        "older": older(request, found.next),
        "is_first": after is None,
        "live_cursor": position.cursor,
    }


def number_in(request: Request) -> int:
    """The page of a list that the address names, from 1. Raises NotFound for what cannot be one."""
    text = request.query_params.get("page", "1")
    if not _PAGE_NUMBER.fullmatch(text):
        raise NotFound("There is no such page")
    return int(text)


def cursor_in(request: Request) -> Key | None:
    """The place in a list that the address names; other parameters are none of our business. Raises InvalidInput."""
    return pagination.decode(request.query_params.get("cursor"))


def older(request: Request, key: Key | None) -> str | None:
    """The address of the next page of a list, if there is one."""
    cursor = pagination.encode(key)
    return here(request, cursor=cursor) if cursor else None
