"""What the later of two writers sees."""

import datetime as dt
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.posts import edit_conflicts, presence
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS, PostContent
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
    """Return the form of a post with these values."""
    values = {field.name: _form_value(getattr(content, field.name)) for field in POST_FIELDS}
    return Form(values | {"version": str(version)})


def _form_value(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return ", ".join(value)
        case dt.datetime():
            return f"{value:%Y-%m-%dT%H:%M}"
        case _:
            return str(value)
