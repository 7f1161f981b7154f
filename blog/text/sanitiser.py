"""HTML sanitising with nh3 (ammonia): the allow-lists of posts and comments."""

import html
import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Final

import nh3
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

from blog.text import mathml
from blog.text.anchors import add_anchors
from blog.text.figures import CLASSES as FIGURE_CLASSES
from blog.text.media_players import is_own_path

ID_PREFIX: Final = "c-"
"""The prefix of every `id` in sanitised HTML: an `id` of a post cannot shadow an `id` of the page or a script variable."""

AttributeFilter = Callable[[str, str, str], str | None]


def _split_names(words: str) -> frozenset[str]:
    return frozenset(words.split())


_COMMENT_TAGS: Final = _split_names("a blockquote br code em li ol p pre span strong ul")
_POST_TAGS: Final = _COMMENT_TAGS | _split_names(
    "abbr audio b bdi bdo caption cite col colgroup dd del details dfn div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr i"
    " img input ins kbd mark q rp rt ruby s samp section small sub summary sup table tbody td tfoot th thead time tr u var"
    " video wbr"
)
_COMMENT_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "code": {"class"},
    "ol": {"start"},
    "pre": {"class"},
    "span": {"class"},
}
_POST_ATTRIBUTES: Final = {
    "*": {"class", "dir", "id", "lang", "title"},
    **{name: set(mathml.ATTRIBUTES) for name in mathml.ELEMENTS},
    "math": {"alttext"},
    "a": {"aria-label", "href", "hreflang", "name"},
    "audio": {"aria-label", "src"},
    "col": {"span"},
    "colgroup": {"span"},
    "details": {"open"},
    "div": {"aria-label"},
    "img": {"alt", "height", "src", "width"},
    "input": {"aria-label", "checked"},
    "li": {"value"},
    "ol": {"reversed", "start", "type"},
    "td": {"colspan", "headers", "rowspan"},
    "th": {"abbr", "colspan", "headers", "rowspan", "scope"},
    "time": {"datetime"},
    "video": {"aria-label", "height", "src", "width"},
}
_COMMENT_ATTRIBUTE_VALUES: Final = {"pre": {"tabindex": {"0"}}}
_POST_ATTRIBUTE_VALUES: Final = {
    "audio": {"controls": {""}, "preload": {"metadata"}},
    "div": {"role": {"note", "region"}, "tabindex": {"0"}},
    "img": {"decoding": {"async"}, "loading": {"lazy"}},
    "input": {"disabled": {""}, "type": {"checkbox"}},
    "math": {"display": {"block", "inline"}},
    "pre": {"tabindex": {"0"}},
    "video": {"controls": {""}, "preload": {"metadata"}},
}
# Two passes, because nh3 adds several attributes of one element in random order.
_FORCED_ATTRIBUTES: Final = (
    {"audio": {"controls": ""}, "img": {"loading": "lazy"}, "input": {"type": "checkbox"}, "video": {"controls": ""}},
    {
        "audio": {"preload": "metadata"},
        "img": {"decoding": "async"},
        "input": {"disabled": ""},
        "video": {"preload": "metadata"},
    },
)
_SCHEMES: Final = {"http", "https", "mailto"}
_CLASSES: Final = _split_names(
    "align-center align-left align-right bookmark callout callout-caution callout-important callout-note callout-tip"
    " callout-title callout-warning contains-task-list embed footnote-backref footnote-item footnote-ref footnotes footnotes-list"
    " footnotes-sep highlight math-block table-scroll task-list-item"
)
_TOKEN_CLASSES: Final = frozenset(name for name in STANDARD_TYPES.values() if name)
_LANGUAGE_CLASS: Final = re.compile(r"language-[A-Za-z0-9][\w+#.-]{0,39}", re.ASCII)

_ANCHOR_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
# Browsers differ in their handling of control characters within a scheme. Legitimate URLs contain none.
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A parser drops the newline after <pre> and the serialiser does not restore it: each pass would remove one.
_PRE_START: Final = re.compile(r"(<pre[^>]*>)\n+")
_MAX_PASSES: Final = 8
# The parser takes time quadratic in the depth. Browsers stop at 512.
_MAX_DEPTH: Final = 256
_TAG: Final = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
# Void elements, and elements that end at the next one of their kind.
_NON_NESTING_TAGS: Final = _split_names(
    "br col dd dt hr img input li option p rp rt td th tr wbr area base embed link meta param source track"
)


def sanitise_post(fragment: str, document: str = "") -> str:
    """Return untrusted HTML with only the elements and attributes of a post.

    - `document` (letters, digits, hyphens): distinguishes several posts on one page.

    Every `id`, and every link to one, begins with `ID_PREFIX`, then `document` and a hyphen. Without `document`, links from
    elsewhere may omit the prefix (see `blog.text.anchors`). Images load lazily, checkboxes are disabled, links get
    `rel="noopener"`. HTML nested deeper than 256 elements is returned as escaped text.
    """
    id_prefix = f"{ID_PREFIX}{document}-" if document else ID_PREFIX
    cleaners = [cleaner.clean for cleaner in _post_cleaners(id_prefix, is_alone=not document)]
    anchors = partial(add_anchors, id_prefix=id_prefix, with_names=not document)
    return _clean_until_stable(fragment, [*cleaners, mathml.remove_foreign_elements, anchors])


def sanitise_comment(fragment: str, link_rel: str = "nofollow ugc noopener") -> str:
    """Return untrusted HTML with only paragraphs, emphasis, code, lists, quotes and links with this `rel`."""
    return _clean_until_stable(fragment, [_comment_cleaner(link_rel).clean])


def replace_surrogates(text: str) -> str:
    """Replace unpaired surrogates by U+FFFD: JSON can contain them, UTF-8 cannot."""
    return _SURROGATES.sub("\ufffd", text)


def _clean_until_stable(fragment: str, steps: Sequence[Callable[[str], str]]) -> str:
    """Sanitise until nothing changes, so that a browser parses the result exactly as the sanitiser did."""
    text = replace_surrogates(fragment)
    if _is_too_deep(text):
        return html.escape(text, quote=False)
    for _ in range(_MAX_PASSES):
        cleaned = text
        for step in steps:
            cleaned = _PRE_START.sub(r"\1", step(cleaned))
        if cleaned == text:
            return cleaned
        text = cleaned
    return html.escape(text, quote=False)


def _is_too_deep(text: str) -> bool:
    depth = 0
    for end, name in _TAG.findall(text):
        if name.lower() not in _NON_NESTING_TAGS:
            depth = max(0, depth + (-1 if end else 1))
            if depth > _MAX_DEPTH:
                return True
    return False


@lru_cache(maxsize=8)
def _post_cleaners(id_prefix: str, *, is_alone: bool) -> tuple[nh3.Cleaner, ...]:
    return tuple(
        nh3.Cleaner(
            tags=_POST_TAGS | mathml.ELEMENTS,
            attributes=_POST_ATTRIBUTES,
            attribute_filter=_attribute_filter(id_prefix, "" if is_alone else id_prefix),
            tag_attribute_values=_POST_ATTRIBUTE_VALUES,
            set_tag_attribute_values=forced,
            url_schemes=_SCHEMES,
            link_rel="noopener",
        )
        for forced in _FORCED_ATTRIBUTES
    )


@lru_cache(maxsize=2)
def _comment_cleaner(link_rel: str) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_COMMENT_TAGS,
        attributes=_COMMENT_ATTRIBUTES,
        attribute_filter=_attribute_filter("", ""),
        tag_attribute_values=_COMMENT_ATTRIBUTE_VALUES,
        url_schemes=_SCHEMES,
        link_rel=link_rel,
    )


def _attribute_filter(id_prefix: str, name_prefix: str) -> AttributeFilter:
    """Return the attribute filter for nh3: it returns the new value of an attribute, or None to drop it."""

    def filter_attribute(tag: str, name: str, value: str) -> str | None:
        if name == "class":
            return " ".join(word for word in value.split() if _is_known_class(tag, word)) or None
        if name in {"id", "headers"}:
            return " ".join(_add_prefix(word, id_prefix) for word in value.split()) or None
        if name == "name":
            return _add_prefix(value, name_prefix) if _ANCHOR_NAME.fullmatch(value) else None
        if name in {"href", "src"} and _CONTROL_CHARACTER.search(value):
            return None
        if name == "src" and tag in {"audio", "video"} and not is_own_path(value):
            return None
        if name == "href" and value.startswith("#") and len(value) > 1:
            return "#" + _add_prefix(value[1:], id_prefix)
        return value

    return filter_attribute


def _add_prefix(name: str, prefix: str) -> str:
    return name if name.startswith(prefix) else prefix + name


def _is_known_class(tag: str, name: str) -> bool:
    if tag == "span":
        return name in _TOKEN_CLASSES
    if tag == "figure" and name in FIGURE_CLASSES:
        return True
    if tag == "code":
        return _LANGUAGE_CLASS.fullmatch(name) is not None
    return name in _CLASSES
