"""Conversion of shortcodes of Jekyll, Eleventy and Hugo to Markdown, where their meaning is certain."""

import html
import re

from blog.import_export.markdown import code_spans

_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_TAG_START = r"\{%-?\s*"
_TAG_END = r"\s*-?%\}"
_TOKEN = code_spans.compile_outside_code(
    rf"(?P<image>{_TAG_START}image(?:_with_class)?\s+(?P<arguments>{_STRING}(?:[\s,]+{_STRING}){{0,2}}){_TAG_END})"
    rf"|(?P<figure>\{{\{{<\s*figure\s+(?P<attributes>(?:[\w-]+={_STRING}\s*)+)/?>\}}\}})"
    rf"|(?P<url>\{{\{{-?\s*(?P<path>{_STRING})\s*\|\s*(?:relative_)?url\s*-?\}}\}})"
    r"|(?P<base>\{\{-?\s*site\.baseurl\s*-?\}\})"
    rf"|(?P<highlight>^(?P<indent>[ \t]*){_TAG_START}highlight\s+(?P<language>[\w+#.-]+)[^%]*?-?%\}}[ \t]*\n)"
    rf"|(?P<raw>{_TAG_START}raw{_TAG_END})|(?P<comment>{_TAG_START}comment{_TAG_END})"
)
_END_TAGS = {
    "raw": re.compile(rf"{_TAG_START}endraw{_TAG_END}"),
    "comment": re.compile(rf"{_TAG_START}endcomment{_TAG_END}"),
    "highlight": re.compile(rf"^[ \t]*{_TAG_START}endhighlight{_TAG_END}[ \t]*$", re.MULTILINE),
}
_RAW = re.compile(rf"{_TAG_START}raw{_TAG_END}(?P<inside>(?s:.*?)){_TAG_START}endraw{_TAG_END}")
_ARGUMENT = re.compile(_STRING)
_ATTRIBUTE = re.compile(rf"([\w-]+)=({_STRING})")
_MAX_PARAGRAPH_LENGTH = 5_000  # limits the backward search for an HTML tag, which runs once per image
_HTML_LINE = re.compile(r"^[ \t]*</?[A-Za-z]", re.MULTILINE)
_BACKTICKS = re.compile(r"`{3,}")


def to_markdown(text: str) -> str:
    """Convert known shortcodes outside code; leave others unchanged. Removes only comments.

    - `{% image "a.png" "alt" %}`, `{{< figure … >}}` → `![alt](a.png)`; inside HTML an `<img>`
    - `{% highlight ruby %}` → fenced code
    - `{{ "/x/" | url }}` → `/x/`
    - `{{ site.baseurl }}` → nothing
    - `{% raw %}` → its content, verbatim
    """
    if "{" not in text:
        return text
    parts: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while match := _TOKEN.search(text, position):
        parts.append(text[position : match.start()])
        name = next((name for name in _END_TAGS if match[name] is not None), None)
        end = _END_TAGS[name].search(text, match.end()) if name and name not in unclosed else None
        if name is None:
            parts.append(_convert_inline(match, text))
        elif end is None:
            unclosed.add(name)  # no end tag after this one, so none after a later one
            parts.append(match[0])
        else:
            parts.append(_convert_block(name, match, text[match.end() : end.start()]))
        position = end.end() if end else match.end()
    return "".join(parts) + text[position:]


def _convert_inline(match: re.Match[str], text: str) -> str:
    if match["inline"] is not None:
        return _RAW.sub(lambda raw: raw["inside"], match[0])
    if match["image"] is not None:
        arguments = [_unquote(argument) for argument in _ARGUMENT.findall(match["arguments"])]
        # The optional class is between the URL and the description.
        return _image(arguments[0], arguments[-1] if len(arguments) > 1 else "", match, text)
    if match["figure"] is not None:
        attributes = {name: _unquote(value) for name, value in _ATTRIBUTE.findall(match["attributes"])}
        if not attributes.keys() <= {"src", "alt", "title", "class", "width", "height"} or "src" not in attributes:
            return match[0]
        return _image(attributes["src"], attributes.get("alt", attributes.get("title", "")), match, text)
    if match["url"] is not None:
        return _unquote(match["path"])
    return "" if match["base"] is not None else match[0]


def _convert_block(name: str, match: re.Match[str], inside: str) -> str:
    if name == "raw":
        return inside
    if name == "comment":
        return ""
    content = _RAW.sub(lambda raw: raw["inside"], inside)
    longest = max((len(run) for run in _BACKTICKS.findall(content)), default=2)
    fence = "`" * (longest + 1)
    return f"{match['indent']}{fence}{match['language']}\n{content}{match['indent']}{fence}"


def _image(url: str, description: str, match: re.Match[str], text: str) -> str:
    description = " ".join(description.split())
    if _is_inside_html(text, match.start()):
        return f'<img src="{html.escape(url)}" alt="{html.escape(description)}">'
    label = re.sub(r"([\[\]\\])", r"\\\1", description)
    return f"![{label}](<{url}>)" if re.search(r"[\s()]", url) else f"![{label}]({url})"


def _is_inside_html(text: str, position: int) -> bool:
    """Return whether a line since the last blank one begins with an HTML tag: Markdown is not parsed there."""
    blank_line = text.rfind("\n\n", 0, position)
    start = max(blank_line + 2 if blank_line >= 0 else 0, position - _MAX_PARAGRAPH_LENGTH)
    return _HTML_LINE.search(text, start, position) is not None


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])
