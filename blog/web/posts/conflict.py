"""The edit conflict page, shown if the post changed while it was being edited."""

import datetime as dt
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.context import Context
from blog.domain.core.models import Author
from blog.domain.posts import edit_conflicts, presence
from blog.domain.posts.feature_image import FeatureImage
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import POST_FIELDS, PostContent
from blog.framework.request.forms import Form
from blog.framework.request.parsing import parse_number
from blog.schemas.posts import PostChanges
from blog.text.formats import Formats
from blog.web.posts.local_times import field_value
from blog.web.rendering.page import render_page


async def render_conflict(request: Request, ctx: Context, form: Form, post: Post, mine: PostChanges) -> Response:
    """Return 412 with both versions, their differences and, if possible, a merged version.

    form: the submitted form, shown again with its changes
    post: the post as saved by the other editor
    mine: the submitted changes

    All forms of the page submit the current version number, so that the next save replaces the version shown here.
    """
    conflict = await edit_conflicts.describe(ctx, post, mine, parse_number(form.value("version")))
    form.values |= form_from_content(conflict.mine, post.version, ctx.site.formats).values
    merged_form = form_from_content(conflict.merged, post.version, ctx.site.formats) if conflict.merged else None
    others = (await presence.touch(ctx, post.id)).others
    return render_page(
        request, "posts/conflict.html", 412, form=form, post=post, conflict=conflict, merged_form=merged_form, others=others
    )


def form_from_content(content: PostContent, version: int, formats: Formats) -> Form:
    """Return the form of a post with these values."""
    values = {"version": str(version)}
    for field in POST_FIELDS:
        if field.name == "feature_image":
            values |= _image_values(content.feature_image)
        else:
            values[field.name] = _form_value(getattr(content, field.name), formats)
    return Form(values)


def _image_values(image: FeatureImage | None) -> dict[str, str]:
    parts = (image.address, image.alt, image.caption) if image else ("", "", "")
    return dict(zip(("feature_image_url", "feature_image_alt", "feature_image_caption"), parts, strict=True))


def _form_value(value: Any, formats: Formats) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return ", ".join(item.username if isinstance(item, Author) else item for item in value)
        case dt.datetime():
            return field_value(value, formats)
        case _:
            return str(value)
