"""Preview links: making and revoking them, and the page that they open."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain import previews
from blog.domain.context import Context
from blog.domain.models import Post
from blog.errors import BlogError
from blog.http.context import context
from blog.http.endpoint import Endpoint
from blog.http.forms import Form, read_form
from blog.http.statuses import status_of
from blog.schemas.posts import PostStatus
from blog.schemas.previews import Lifetime, NewPreview
from blog.web.history import editable
from blog.web.redirects import see_other
from blog.web.rendering import page

# The address is the key to the draft: no cache keeps the page, and no other site learns where its reader came from.
_SECRET = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


class PreviewList(Endpoint):
    """/posts/{slug}/previews — the links by which anybody reads this draft."""

    async def get(self, request: Request) -> Response:
        """The valid links, and a form for another one."""
        ctx = context(request)
        post = await editable(ctx, request)
        return await _listed(request, ctx, post, Form({"lifetime": Lifetime.WEEK.value}))

    async def post(self, request: Request) -> Response:
        """Make a link; back to the list, where it stands."""
        ctx = context(request)
        form = await read_form(request)
        post = await editable(ctx, request)
        new = form.parse(NewPreview)
        if new is None:
            return await _listed(request, ctx, post, form, 422)
        try:
            link_id = await previews.make(ctx, post.id, new)
        except BlogError as error:
            form.refuse(error)
            return await _listed(request, ctx, post, form, status_of(error))
        return see_other(request, "web:post_previews", slug=post.slug, fragment=f"link-{link_id}")


class PreviewRevocation(Endpoint):
    """/posts/{slug}/previews/{id}/revoke — end a link before its time."""

    async def post(self, request: Request) -> Response:
        """Revoke it; back to the list."""
        ctx = context(request)
        post = await editable(ctx, request)
        await previews.revoke(ctx, post.id, request.path_params["id"])
        return see_other(request, "web:post_previews", slug=post.slug)


class PreviewPage(Endpoint):
    """/preview/{secret} — a draft, for whoever has the link."""

    async def get(self, request: Request) -> Response:
        """The draft as it is now; once it is published, on to the post. Raises NotFound."""
        post = await previews.read(context(request), request.path_params["secret"])
        if post.status is PostStatus.PUBLISHED:
            response = see_other(request, "web:post", slug=post.slug)
            response.headers.update(_SECRET)
            return response
        return page(request, "previews/preview.html", headers=_SECRET, post=post)


async def _listed(request: Request, ctx: Context, post: Post, form: Form, status: int = 200) -> Response:
    links = await previews.valid(ctx, post.id)
    return page(request, "previews/previews.html", status, post=post, form=form, links=links, lifetimes=list(Lifetime))
