"""The names of what the sanitiser removed, so that authors see why a part of their HTML is missing."""

from collections import Counter
from html.parser import HTMLParser

MAX_NAMES = 10
_REPLACED = frozenset({("a", "rel"), ("a", "target"), ("img", "loading"), ("img", "decoding")})
"""Attributes that the sanitiser decides on for every element: their absence surprises nobody."""


class _Names(HTMLParser):
    """Counts elements, and attributes by element, in order of their first use."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, str]] = Counter()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count an element and its attributes."""
        self.found[tag, ""] += 1
        self.found.update((tag, name) for name, _ in attrs)


def removed_markup(before: str, after: str) -> list[str]:
    """Return names such as `<script>` or `onclick of <a>`: elements and attributes that are less frequent after sanitising.

    At most `MAX_NAMES`, then an ellipsis. An attribute of a removed element is not named. Linear in the length of the HTML.
    """
    missing = _Names(before).found - _Names(after).found
    tags = {tag for tag, attribute in missing if not attribute}
    names = [
        f"{attribute} of <{tag}>" if attribute else f"<{tag}>"
        for tag, attribute in missing
        if not attribute or (tag not in tags and (tag, attribute) not in _REPLACED)
    ]
    return [*names[:MAX_NAMES], "…"] if len(names) > MAX_NAMES else names
