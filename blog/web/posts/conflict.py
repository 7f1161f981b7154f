"""What the later of two writers sees."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.posts import edit_conflicts, presence
from blog.domain.posts.diffs import PostContent
from blog.domain.posts.models import Post
from blog.framework.request.forms import Form
from blog.schemas.posts import PostChanges
from blog.web.posts.history import parse_number
from blog.web.rendering.page import render_page


async def render_conflict(request: Request, ctx: Context, form: Form, post: Post, mine: PostChanges) -> Response:
    """Both texts, how they differ, and what can be done about it; what was typed is in the form. 412.

    Each of its forms names the present version: who has seen it may replace it.
    """
    conflict = await edit_conflicts.describe(ctx, post, mine, parse_number(form.value("version")))
    form.values["version"] = str(post.version)
    merged_form = form_from_content(conflict.merged, post.version) if conflict.merged else None
    others = (await presence.touch(ctx, post.id)).others
    return render_page(
        request, "posts/conflict.html", 412, form=form, post=post, conflict=conflict, merged_form=merged_form, others=others
    )


def form_from_content(content: PostContent, version: int) -> Form:
    """What a post says, as the values of the form."""
    return Form(
        {
            "title": content.title,
            "content": content.content,
            "tags": ", ".join(content.tags),
            "slug": content.slug,
            "status": content.status.value,
            "publish_at": f"{content.publish_at:%Y-%m-%dT%H:%M}" if content.publish_at else "",
            "version": str(version),
        }
    )
