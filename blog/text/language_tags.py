"""Language tags (BCP 47), such as `en`, `pt-BR` or `zh-Hant-TW`."""

import re

MAX_LENGTH = 35
"""The length that every well-formed tag of registered subtags fits into (RFC 5646, section 4.4.1)."""
# RFC 5646, section 2.1. Without languages of four letters and more, of which none is registered, and without private tags.
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3}(?:-[a-z]{3}){0,3})(?:-(?P<script>[a-z]{4}))?(?:-(?P<region>[a-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)(?P<extensions>(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*)"
    r"(?P<private>-x(?:-[a-z0-9]{1,8})+)?"
)


def normalise(tag: str) -> str | None:
    """Return a language tag in its usual spelling, or None if it is not well-formed. `pt_br` becomes `pt-BR`."""
    match = _TAG.fullmatch(tag.strip().replace("_", "-").lower()) if len(tag) <= MAX_LENGTH else None
    if match is None:
        return None
    script, region = (match["script"] or "").title(), (match["region"] or "").upper()
    subtags = "-".join(filter(None, (match["language"], script, region)))
    return f"{subtags}{match['variants']}{match['extensions']}{match['private'] or ''}"
