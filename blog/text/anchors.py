"""Targets for deep links: `/posts/on-engines#later` scrolls to the heading, although its `id` has a prefix.

Ids get a prefix so that a post cannot shadow an element of the page or a variable of a script. Browsers look for an `id` first
and then for `<a name>`, which neither `window` nor `document` exposes as a property. Each id therefore gets such an anchor.
"""

import re
from collections.abc import Iterator
from typing import Final

# Sanitised HTML writes every attribute as name="value" and escapes `<` and `"` within values.
_TAG: Final = re.compile(r'<(/?)([a-z][a-z0-9]*)((?:\s+[^\s"=>]+(?:="[^"]*")?)*)\s*>')
_ID: Final = re.compile(r'\sid="([^"\s]+)"')
_NAME: Final = re.compile(r'\sname="([^"\s]+)"')
_INSIDE: Final = re.compile(
    "abbr|b|bdi|bdo|blockquote|caption|cite|code|dd|del|dfn|div|dt|em|figcaption|figure|h[1-6]|i|ins|kbd|li|mark|p|q|s|samp"
    "|section|small|span|strong|su[bp]|summary|td|th|time|u|var"
)
_BEFORE: Final = re.compile("details|dl|hr|img|ol|pre|table|ul")


def add_anchors(fragment: str, id_prefix: str, *, with_names: bool) -> str:
    """Return sanitised HTML with an `<a name>` for each `id`, and an `id` for each named anchor.

    - `id_prefix`: the prefix of every `id`. Names do not have it.
    - `with_names`: False adds ids only: on pages with several documents, names would clash.

    Table rows and row groups get no anchor: HTML does not allow one there. A second call changes nothing.
    """
    return "".join(_Anchors(fragment, id_prefix, with_names=with_names).parts())


class _Anchors:
    """The ids and the names of anchors in a fragment, and those that are missing."""

    def __init__(self, fragment: str, id_prefix: str, *, with_names: bool) -> None:
        self._fragment, self._id_prefix, self._with_names = fragment, id_prefix, with_names
        tags = [(tag[2], tag[3]) for tag in _TAG.finditer(fragment)]
        self._ids = {match[1] for _, attributes in tags if (match := _ID.search(attributes))}
        self._names = {match[1] for element, attributes in tags if element == "a" and (match := _NAME.search(attributes))}

    def parts(self) -> Iterator[str]:
        """Yield the fragment in pieces."""
        end, is_in_link = 0, False
        for tag in _TAG.finditer(self._fragment):
            closing, element, attributes = tag.groups()
            yield self._fragment[end : tag.start()]
            end = tag.end()
            if element == "a":
                is_in_link = not closing
                yield tag[0] if closing else f"<a{self._missing_id(attributes)}{attributes}{self._missing_name(attributes)}>"
            elif closing or is_in_link:
                yield tag[0]
            elif _BEFORE.fullmatch(element):
                yield self._anchor(attributes) + tag[0]
            else:
                yield tag[0] + (self._anchor(attributes) if _INSIDE.fullmatch(element) else "")
        yield self._fragment[end:]

    def _anchor(self, attributes: str) -> str:
        name = self._missing_name(attributes)
        return f"<a{name}></a>" if name else ""

    def _missing_name(self, attributes: str) -> str:
        """Return the attribute for an element with an id, once: the first element with a name is the target."""
        match = _ID.search(attributes) if self._with_names and not _NAME.search(attributes) else None
        name = match[1].removeprefix(self._id_prefix) if match else ""
        if not name or name in self._names:
            return ""
        self._names.add(name)
        return f' name="{name}"'

    def _missing_id(self, attributes: str) -> str:
        """Return the attribute for an anchor without one, unless another element has the id."""
        match = _NAME.search(attributes) if not _ID.search(attributes) else None
        value = self._id_prefix + match[1].removeprefix(self._id_prefix) if match else ""
        if not value or value in self._ids:
            return ""
        self._ids.add(value)
        return f' id="{value}"'
