"""The form of guests. It has its own page: pages of posts are the same for all visitors, and cached."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from blog.domain.comments import comments, guest_comments
from blog.domain.comments.models import Comment
from blog.domain.posts import posts
from blog.errors import NotFound
from blog.framework.endpoints.form_keys import run_once
from blog.framework.request.state import app_state
from blog.schemas.comments import CommentStatus, NewGuestComment
from blog.web.rendering import spam_trap
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.redirects import redirect_after_post

_ID = re.compile("[0-9]{1,18}")


class GuestCommentPage(FormPage[NewGuestComment]):
    """/posts/{slug}/guest-comment: the form of guests; `?reply=ID` makes it a reply."""

    template, model, requires_user, keeps_text = "comments/guest.html", NewGuestComment, False, True

    async def load(self) -> Response | None:
        """Load the post and the comment to reply to; members get the page of the post. Raises NotFound, Forbidden."""
        self.commented_post = await posts.get_by_slug(self.ctx, self.request.path_params["slug"])
        if self.ctx.actor is not None:
            return redirect_after_post(self.request, "web:post", slug=self.commented_post.slug, fragment="comments")
        guest_comments.require_open(self.ctx, self.commented_post)
        self.parent = await self._load_parent()
        return None

    def parse(self) -> NewGuestComment | None:
        parent_id = self.parent.id if self.parent else None
        return self.form.parse(NewGuestComment, **spam_trap.TRAP_FIELDS, parent_id=parent_id)

    async def context(self) -> Mapping[str, Any]:
        query = f"?reply={self.parent.id}" if self.parent else ""
        path = app_state(self.request).urls.path("web:guest_comment", slug=self.commented_post.slug)
        post_path = app_state(self.request).urls.path("web:post", slug=self.commented_post.slug)
        return {
            "post": self.commented_post,
            "parent": self.parent,
            "action": f"{path}{query}",
            "return_path": f"{post_path}#comments",
            "timestamp_token": spam_trap.timestamp_token(self.ctx, self.form),
            "is_sent": self.request.method != "POST" and "sent" in self.request.query_params,
        }

    async def submit(self, data: NewGuestComment) -> Response:
        """Create the comment, and say that it waits. Raises TooManyRequests."""
        await app_state(self.request).rate_limits.check(self.request, "guest-comment")

        async def create() -> Response:
            reason = spam_trap.spam_reason(self.ctx, self.form)
            await guest_comments.create(self.ctx, self.commented_post.id, data, spam_reason=reason)
            return redirect_after_post(self.request, "web:guest_comment", query={"sent": "yes"}, slug=self.commented_post.slug)

        return await run_once(self.request, self.ctx, self.form, create)

    async def _load_parent(self) -> Comment | None:
        """Return the comment of `?reply=ID`, or None. Raises NotFound, also for a comment that is not visible."""
        reply = self.request.query_params.get("reply")
        if reply is None:
            return None
        comment = await comments.get(self.ctx, int(reply)) if _ID.fullmatch(reply) else None
        if comment is None or comment.post_id != self.commented_post.id or comment.status is not CommentStatus.VISIBLE:
            raise NotFound("Comment not found")
        return comment
