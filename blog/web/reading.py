"""Pages for readers."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from blog.domain import accounts, policy, post_lists, post_page, profiles, tags
from blog.domain.context import Context
from blog.domain.models import Post
from blog.domain.post_lists import Wanted
from blog.domain.post_page import PostView
from blog.http import paging
from blog.http.audience import is_reader
from blog.http.context import context
from blog.http.endpoint import Endpoint
from blog.http.forms import Form
from blog.http.paging import Key
from blog.http.services import services
from blog.schemas.lists import PostQuery
from blog.web.redirects import here, moved
from blog.web.rendering import invalid, page


class HomePage(Endpoint):
    """/ — the newest posts."""

    async def get(self, request: Request) -> Response:
        """A page of posts, with the cursor from which its live updates go on."""
        ctx = context(request)
        after = cursor_in(request)
        front = await post_lists.front(ctx, Wanted(after=after))
        return page(
            request,
            "reading/home.html",
            posts=front.page.items,
            older=older(request, front.page.next),
            is_first=after is None,
            live_cursor=front.position.cursor,
        )


class PostPage(Endpoint):
    """/posts/{slug} — one post and its comments."""

    async def get(self, request: Request) -> Response:
        """The post; 301 from an old slug to the present one."""
        ctx = context(request)
        slug = request.path_params["slug"]
        view = await post_page.read(ctx, slug, cursor_in(request))
        if view.post.slug != slug:
            return moved(request, "web:post", slug=view.post.slug)
        if is_reader(request) and policy.is_counted(ctx.actor, view.post):
            ctx.site.views.add(view.post.id, ctx.now.date())
        return page(request, "reading/post.html", **post_values(request, ctx, view, Form()))


class TagListPage(Endpoint):
    """/tags — every tag that is in use."""

    async def get(self, request: Request) -> Response:
        """The tags with their numbers of posts."""
        return page(request, "reading/tags.html", tags=await tags.all_tags(context(request)))


class TagPage(Endpoint):
    """/tags/{tag} — the posts with one tag."""

    async def get(self, request: Request) -> Response:
        """A page of posts; 404 for a tag that no published post carries, since drafts have tags too."""
        ctx = context(request)
        after = cursor_in(request)
        tag = await tags.named(ctx, request.path_params["tag"])
        found = await post_lists.page(ctx, Wanted(tag=tag, after=after))
        return page(request, "reading/tag.html", tag=tag, posts=found.items, older=older(request, found.next))


class AuthorPage(Endpoint):
    """/authors/{username} — a person and what they wrote."""

    async def get(self, request: Request) -> Response:
        """A page of posts."""
        ctx = context(request)
        after = cursor_in(request)
        user = await accounts.named(ctx, request.path_params["username"])
        bio = await profiles.bio_html(user)
        found = await post_lists.page(ctx, Wanted(author_id=user.id, after=after))
        more = older(request, found.next)
        return page(request, "reading/author.html", author=user, bio=bio, posts=found.items, older=more)


class ArchivePage(Endpoint):
    """/archive — everything that was published, by year."""

    async def get(self, request: Request) -> Response:
        """Each post on a line of its own."""
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
            return page(request, "reading/search.html", form=form, posts=None)
        query = form.parse(PostQuery)
        if query is None:
            return invalid(request, "reading/search.html", form, posts=None)
        found: Sequence[Post] = await post_lists.best(ctx, query.q or "")
        return page(request, "reading/search.html", form=form, posts=found)


class Robots(Endpoint):
    """/robots.txt — what crawlers should leave alone."""

    async def get(self, request: Request) -> Response:
        """Pages of forms and endless lists of search results are of no use to them."""
        links = services(request).links
        names = ("search", "login", "register", "write", "dashboard", "account")
        lines = ["User-agent: *", *(f"Disallow: {links.path(f'web:{name}')}" for name in names)]
        return PlainTextResponse("\n".join(lines) + "\n", headers={"Cache-Control": "public, max-age=3600"})


def post_values(request: Request, ctx: Context, view: PostView, form: Form) -> dict[str, Any]:
    """What the page of a post shows; also when it comes back with a comment that was refused."""
    return {
        "view": view,
        "post": view.post,
        "form": form,
        "may_edit": policy.may_edit(ctx.actor, view.post),
        "may_moderate": policy.may_moderate(ctx.actor, view.post),
        "more": older(request, view.next),
        "deepest": post_page.DEEPEST,
        "live_cursor": view.position.cursor,
    }


def cursor_in(request: Request) -> Key | None:
    """The place in a list that the address names; other parameters are none of our business. Raises InvalidInput."""
    return paging.decode(request.query_params.get("cursor"))


def older(request: Request, key: Key | None) -> str | None:
    """The address of the next page of a list, if there is one."""
    cursor = paging.encode(key)
    return here(request, cursor=cursor) if cursor else None
