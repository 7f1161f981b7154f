"""What the later of two writers sees."""

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.core.models import Post
from blog.domain.posts import edit_conflicts, presence
from blog.domain.posts.diffs import Side
from blog.framework.request.forms import Form
from blog.schemas.posts import PostChanges
from blog.web.posts.history import number_in
from blog.web.rendering.page import page


async def conflict_page(request: Request, ctx: Context, form: Form, post: Post, mine: PostChanges) -> Response:
    """Both texts, how they differ, and what can be done about it; what was typed is in the form. 412.

    Each of its forms names the present version: who has seen it may replace it.
    """
    clash = await edit_conflicts.look(ctx, post, mine, number_in(form.value("version")))
    form.values["version"] = str(post.version)
    both = form_of(clash.merged, post.version) if clash.merged else None
    others = (await presence.enter(ctx, post.id)).others
    return page(request, "writing/conflict.html", 412, form=form, post=post, clash=clash, both=both, others=others)


def form_of(side: Side, version: int) -> Form:
    """What a post says, as the values of the form."""
    return Form(
        {
            "title": side.title,
            "content": side.content,
            "tags": ", ".join(side.tags),
            "slug": side.slug,
            "status": side.status.value,
            "publish_at": f"{side.publish_at:%Y-%m-%dT%H:%M}" if side.publish_at else "",
            "version": str(version),
        }
    )
