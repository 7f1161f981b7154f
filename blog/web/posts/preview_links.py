"""Preview links: making and revoking them, and the page that they open."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.core.models import Post
from blog.domain.posts import preview_links
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import context
from blog.framework.request.forms import Form, read_form
from blog.framework.response.error_statuses import status_of
from blog.schemas.posts import PostStatus
from blog.schemas.preview_links import Lifetime, NewPreview
from blog.web.posts.history import editable
from blog.web.rendering.page import page
from blog.web.rendering.redirects import see_other

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
            link_id = await preview_links.make(ctx, post.id, new)
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
        await preview_links.revoke(ctx, post.id, request.path_params["id"])
        return see_other(request, "web:post_previews", slug=post.slug)


class PreviewPage(Endpoint):
    """/preview/{secret} — a draft, for whoever has the link."""

    async def get(self, request: Request) -> Response:
        """The draft as it is now; once it is published, on to the post. Raises NotFound."""
        post = await preview_links.read(context(request), request.path_params["secret"])
        if post.status is PostStatus.PUBLISHED:
            response = see_other(request, "web:post", slug=post.slug)
            response.headers.update(_SECRET)
            return response
        return page(request, "previews/preview.html", headers=_SECRET, post=post)


async def _listed(request: Request, ctx: Context, post: Post, form: Form, status: int = 200) -> Response:
    links = await preview_links.valid(ctx, post.id)
    return page(request, "previews/previews.html", status, post=post, form=form, links=links, lifetimes=list(Lifetime))
