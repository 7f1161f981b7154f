"""Spam detection for comment forms without a CAPTCHA: a hidden field, and the time between display and submission.

Suspicious comments are not rejected but held for moderation.
"""

from typing import Any

from blog.domain.core.context import Context
from blog.domain.core.signing import Purpose
from blog.framework.request.forms import Form
from blog.schemas.comments import NewComment

HONEYPOT_FIELD, TIMESTAMP_FIELD = "website", "loaded_at"
TRAP_FIELDS = {HONEYPOT_FIELD: None, TIMESTAMP_FIELD: None}
"""Overrides that remove the fields of the spam trap from a form, for `Form.parse`."""
MIN_FORM_AGE_SECONDS, MAX_FORM_AGE_SECONDS = 2.0, 86_400.0
"""The plausible time between display and submission of the form, in seconds."""


def timestamp_token(ctx: Context, form: Form) -> str:
    """Return the signed time of the first display of the form; unchanged when the form is shown again."""
    return form.value(TIMESTAMP_FIELD) or ctx.site.signer.sign(Purpose.COMMENT_FORM, [ctx.now.timestamp()])


def spam_reason(ctx: Context, form: Form) -> str | None:
    """Return why a comment looks like spam, as a sentence for moderators, or None."""
    if form.value(HONEYPOT_FIELD):
        return "Filled in a field that is hidden from people"
    payload = ctx.site.signer.unsign(Purpose.COMMENT_FORM, form.value(TIMESTAMP_FIELD))
    if payload is None:
        return "Not sent with a form of this blog"
    elapsed = ctx.now.timestamp() - float(payload[0])
    if elapsed < MIN_FORM_AGE_SECONDS:
        return "Submitted suspiciously fast"
    return "Submitted more than a day after the form was opened" if elapsed > MAX_FORM_AGE_SECONDS else None


def parse_comment(form: Form, **overrides: Any) -> NewComment | None:
    """Parse the comment without the fields of the spam trap; None after adding messages to the form."""
    return form.parse(NewComment, **TRAP_FIELDS, **overrides)
