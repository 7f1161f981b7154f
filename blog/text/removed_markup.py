"""The names of what the sanitiser removed, so that authors see why a part of their HTML is missing."""

import re
from collections import Counter

MAX_NAMES = 10
_REPLACED = frozenset({("a", "rel"), ("a", "target"), ("img", "loading"), ("img", "decoding")})
"""Attributes that the sanitiser decides on for every element: their absence surprises nobody."""


# Bounded, and stopped by the next "<": the time is linear for any text. `html.parser` is quadratic, and fails for some.
_START_TAG = re.compile(r"<([A-Za-z][\w:-]{0,40})([^<>]{0,2000})>")
_ATTRIBUTE = re.compile(r"""([^\s"'>/=]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?""")


def _count_names(html: str) -> Counter[tuple[str, str]]:
    """Count elements, and attributes by element, in order of their first use, outside of comments."""
    found: Counter[tuple[str, str]] = Counter()
    for part in html.split("-->"):
        for tag, attributes in _START_TAG.findall(part.partition("<!--")[0]):
            found[tag.lower(), ""] += 1
            found.update((tag.lower(), name.lower()) for name in _ATTRIBUTE.findall(attributes))
    return found


def removed_markup(before: str, after: str) -> list[str]:
    """Return names such as `<script>` or `onclick of <a>`: elements and attributes that are less frequent after sanitising.

    At most `MAX_NAMES`, then an ellipsis. An attribute of a removed element is not named. Linear in the length of the HTML.
    """
    missing = _count_names(before) - _count_names(after)
    tags = {tag for tag, attribute in missing if not attribute}
    names = [
        f"{attribute} of <{tag}>" if attribute else f"<{tag}>"
        for tag, attribute in missing
        if not attribute or (tag not in tags and (tag, attribute) not in _REPLACED)
    ]
    return [*names[:MAX_NAMES], "…"] if len(names) > MAX_NAMES else names
