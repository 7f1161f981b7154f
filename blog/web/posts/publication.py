"""Publish, schedule, unpublish and undelete posts, without the edit form."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.posts.publication_checks import publication_hints
from blog.errors import InvalidInput, VersionConflict
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.forms import Form, read_form
from blog.framework.request.parsing import parse_number
from blog.framework.response.error_statuses import error_status
from blog.schemas.posts import PostChanges, PostStatus
from blog.text.plain_text import has_visible_content, html_to_text
from blog.web.posts.loading import load_editable_post
from blog.web.posts.local_times import field_value, submitted_time
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import redirect_after_post

_CHANGED = "The post was changed after you opened this page. Check the new version before you publish it."


class PublishPage(FormPage[PostChanges]):
    """/posts/{slug}/publish: what publishing means, then publish now or at a time."""

    template, model = "posts/publish.html", PostChanges
    article: Post

    async def load(self) -> Response | None:
        self.article = await load_editable_post(self.ctx, self.request)
        if self.article.status is PostStatus.PUBLISHED:
            return redirect_after_post(self.request, "web:post", slug=self.article.slug)
        return None

    def initial_form(self) -> Form:
        at = self.article.publish_at
        return Form({"publish_at": field_value(at, self.ctx.site.formats)} if at else {})

    def parse(self) -> PostChanges | None:
        if self.form.value("status") == PostStatus.PUBLISHED:
            return self.form.parse(PostChanges, version=None, publish_at=None)
        at = submitted_time(self.form, "publish_at", self.ctx.site.formats, self.article.publish_at)
        data = self.form.parse(PostChanges, version=None, publish_at=at)
        return None if self.form.errors else data

    async def submit(self, data: PostChanges) -> Response:
        """Publish or schedule the version that the page showed, and redirect to the post, which says what happened."""
        version = parse_number(self.form.value("version"))
        try:
            after = await posts.edit(self.ctx, self.article.id, data, if_match={version})
        except VersionConflict as error:
            self.article = await posts.get(self.ctx, self.article.id)
            self.form.errors[""] = _CHANGED
            return await self.render(error_status(error))
        query = {"published": str(after.version)} if after.status is PostStatus.PUBLISHED else None
        return redirect_after_post(self.request, "web:post", query=query, slug=after.slug)

    async def context(self) -> Mapping[str, Any]:
        html = self.article.html
        is_empty = not has_visible_content(html, html_to_text(html))
        return {"post": self.article, "is_empty": is_empty, "hints": list(publication_hints(self.article))}


class PostStatusChange(Endpoint):
    """/posts/{slug}/status: the status of a post."""

    async def post(self, request: Request) -> Response:
        """Publish or unpublish the post, then redirect to the page of the button. Raises InvalidInput."""
        ctx = request_context(request)
        form = await read_form(request)
        post = await load_editable_post(ctx, request)
        changes = Form({"status": form.value("status")}).parse(PostChanges)
        if changes is None:
            raise InvalidInput((), "Not a valid status. Go back and use the buttons.")
        after = await posts.edit(ctx, post.id, changes)
        if form.value("back") == "dashboard":
            return redirect_after_post(request, "web:dashboard", fragment=f"posts-{after.status.value}")
        return redirect_after_post(request, "web:post", slug=after.slug)


class PostUndelete(Endpoint):
    """/posts/{id}/undelete: restore a deleted post."""

    async def post(self, request: Request) -> Response:
        """Restore the post and redirect to it. Raises NotAuthenticated, NotFound."""
        post = await posts.undelete(request_context(request), request.path_params["id"])
        return redirect_after_post(request, "web:post", slug=post.slug)
