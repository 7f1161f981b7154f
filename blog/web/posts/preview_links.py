"""Preview links: making and revoking them, and the page that they open."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.posts import preview_links
from blog.domain.posts.models import Post
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.framework.response.error_statuses import error_status
from blog.schemas.posts import PostStatus
from blog.schemas.preview_links import Lifetime, NewPreviewLink
from blog.web.posts.history import load_editable_post
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

# The address is the key to the draft: no cache keeps the page, and no other site learns where its reader came from.
_PRIVATE_HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


class PreviewLinkList(Endpoint):
    """/posts/{slug}/previews — the links by which anybody reads this draft."""

    async def get(self, request: Request) -> Response:
        """The valid links, and a form for another one."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        return await _render_list(request, ctx, post, Form({"lifetime": Lifetime.WEEK.value}))

    async def post(self, request: Request) -> Response:
        """Make a link; back to the list, where it stands."""
        ctx = request_context(request)
        form = await read_form(request)
        post = await load_editable_post(ctx, request)
        new = form.parse(NewPreviewLink)
        if new is None:
            return await _render_list(request, ctx, post, form, 422)
        try:
            link_id = await preview_links.create(ctx, post.id, new)
        except BlogError as error:
            form.add_error(error)
            return await _render_list(request, ctx, post, form, error_status(error))
        return redirect_after_post(request, "web:post_previews", slug=post.slug, fragment=f"link-{link_id}")


class PreviewLinkRevocation(Endpoint):
    """/posts/{slug}/previews/{id}/revoke — end a link before its time."""

    async def post(self, request: Request) -> Response:
        """Revoke it; back to the list."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        await preview_links.revoke(ctx, post.id, request.path_params["id"])
        return redirect_after_post(request, "web:post_previews", slug=post.slug)


class PreviewPage(Endpoint):
    """/preview/{secret} — a draft, for whoever has the link."""

    async def get(self, request: Request) -> Response:
        """The draft as it is now; once it is published, on to the post. Raises NotFound."""
        post = await preview_links.open_link(request_context(request), request.path_params["secret"])
        if post.status is PostStatus.PUBLISHED:
            response = redirect_after_post(request, "web:post", slug=post.slug)
            response.headers.update(_PRIVATE_HEADERS)
            return response
        return render_page(request, "posts/preview.html", headers=_PRIVATE_HEADERS, post=post)


async def _render_list(request: Request, ctx: Context, post: Post, form: Form, status: int = 200) -> Response:
    links = await preview_links.list_valid(ctx, post.id)
    return render_page(request, "posts/preview_links.html", status, post=post, form=form, links=links, lifetimes=list(Lifetime))
