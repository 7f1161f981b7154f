"""Preview links: pages to create and revoke them, and the preview itself."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.media import embedded_images
from blog.domain.posts import preview_links
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.form_keys import run_once
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form
from blog.schemas.posts import PostStatus
from blog.schemas.preview_links import Lifetime, NewPreviewLink
from blog.text.embeds import frame_origins
from blog.web.posts.loading import load_editable_post
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

# The URL contains the secret: do not cache the page, and do not send the URL as a referrer.
_PRIVATE_HEADERS = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


class PreviewLinkList(FormPage[NewPreviewLink]):
    """/posts/{slug}/previews: list and create preview links of a draft."""

    template, model = "posts/preview_links.html", NewPreviewLink

    async def load(self) -> None:
        self.draft = await load_editable_post(self.ctx, self.request)

    def initial_form(self) -> Form:
        return Form({"lifetime": Lifetime.WEEK.value})

    async def context(self) -> Mapping[str, Any]:
        links = await preview_links.list_valid(self.ctx, self.draft.id)
        return {"post": self.draft, "links": links, "lifetimes": list(Lifetime)}

    async def submit(self, data: NewPreviewLink) -> Response:
        async def create() -> Response:
            link_id = await preview_links.create(self.ctx, self.draft.id, data)
            return redirect_after_post(self.request, "web:post_previews", slug=self.draft.slug, fragment=f"link-{link_id}")

        return await run_once(self.request, self.ctx, self.form, create)


class PreviewLinkRevocation(Endpoint):
    """/posts/{slug}/previews/{id}/revoke: one preview link."""

    async def post(self, request: Request) -> Response:
        """Revoke the link and redirect to the list."""
        ctx = request_context(request)
        post = await load_editable_post(ctx, request)
        await preview_links.revoke(ctx, post.id, request.path_params["id"])
        return redirect_after_post(request, "web:post_previews", slug=post.slug)


class PreviewPage(Endpoint):
    """/preview/{secret}: the preview of a draft for anyone with the link."""

    async def get(self, request: Request) -> Response:
        """Return the current draft, or redirect to the post once it is published. Raises NotFound."""
        ctx = request_context(request)
        post = await preview_links.open_link(ctx, request.path_params["secret"])
        if post.status is PostStatus.PUBLISHED:
            response = redirect_after_post(request, "web:post", slug=post.slug)
            response.headers.update(_PRIVATE_HEADERS)
            return response
        images = await embedded_images.find(ctx.db, post.html)
        return render_page(
            request,
            "posts/preview.html",
            headers=_PRIVATE_HEADERS,
            post=post,
            images=images,
            frame_origins=frame_origins(post.html),
        )
