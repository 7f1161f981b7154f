"""What a comment's form tells about whoever sends it, instead of a puzzle for people: programs fill in all of it, at once.

Nothing here refuses a comment: what is doubtful waits for a moderator.
"""

from typing import Any

from blog.domain.core.context import Context
from blog.domain.core.signing import Purpose
from blog.framework.request.forms import Form
from blog.schemas.comments import NewComment

HONEYPOT_FIELD, TIMESTAMP_FIELD = "website", "served"
MIN_FORM_AGE_SECONDS, MAX_FORM_AGE_SECONDS = 2.0, 86_400.0
"""Seconds between the page and the comment within which people write."""


def timestamp_token(ctx: Context, form: Form) -> str:
    """The signed instant at which the form was first shown; it stays when the form comes back."""
    return form.value(TIMESTAMP_FIELD) or ctx.site.signer.sign(Purpose.COMMENT_FORM, [ctx.now.timestamp()])


def spam_reason(ctx: Context, form: Form) -> str | None:
    """What speaks against a comment that came by a form, as a sentence for moderators, or None."""
    if form.value(HONEYPOT_FIELD):
        return "A field that people do not see was filled in"
    payload = ctx.site.signer.unsign(Purpose.COMMENT_FORM, form.value(TIMESTAMP_FIELD))
    if payload is None:
        return "It was not sent by a form of this blog"
    elapsed = ctx.now.timestamp() - float(payload[0])
    if elapsed < MIN_FORM_AGE_SECONDS:
        return "It was sent faster than people type"
    return "Its form was older than a day" if elapsed > MAX_FORM_AGE_SECONDS else None


def parse_comment(form: Form, **overrides: Any) -> NewComment | None:
    """The comment without what is there for `doubt`; None: `form.errors` says why."""
    return form.parse(NewComment, **{HONEYPOT_FIELD: None, TIMESTAMP_FIELD: None}, **overrides)
