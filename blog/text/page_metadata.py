"""Title, description and image of a page of another site, from its Open Graph, Twitter and HTML metadata."""

import codecs
import contextlib
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

from blog.text.normalisation import normalise_line

_MAX_TITLE, _MAX_DESCRIPTION, _MAX_URL = 200, 400, 2000
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_META_CHARSET: Final = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE)
_PRESCAN_BYTES: Final = 2048
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Encodings of the web. Python has others that are slow or no encodings of text, such as punycode and unicode_escape.
_WEB_ENCODING: Final = re.compile(
    r"utf-?8|utf-16(?:le|be)?|us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|macintosh|shift_jis|euc-(?:jp|kr)|iso-2022-jp"
    r"|gb2312|gbk|gb18030|big5"
)
# Browsers read these names as the larger encoding.
_SUPERSETS: Final = {
    **{"us-ascii": "cp1252", "iso-8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"},
    **{"shift_jis": "cp932", "euc-kr": "cp949"},
}
_TITLES: Final = ("og:title", "twitter:title", "<title>")
_DESCRIPTIONS: Final = ("og:description", "twitter:description", "description")
_IMAGES: Final = ("og:image:secure_url", "og:image", "og:image:url")


@dataclass(frozen=True, slots=True)
class PageMetadata:
    """Description of a page: single lines of limited length, empty if unknown. `image` is an absolute http(s) URL."""

    title: str
    description: str
    image: str


def read_metadata(body: bytes, content_type: str, url: str) -> PageMetadata:
    """Return the metadata of an HTML page, which may be cut. Takes up to a second for hostile pages: call it in a thread.

    - `content_type`: the header field, for its charset.
    - `url`: the address of the page, for relative addresses of images.
    """
    found = _MetadataParser.parse(_decode(body, content_type))

    def first(names: tuple[str, ...], limit: int) -> str:
        lines = (_line(found.get(name, ""), limit) for name in names)
        return next(filter(None, lines), "")

    return PageMetadata(first(_TITLES, _MAX_TITLE), first(_DESCRIPTIONS, _MAX_DESCRIPTION), _image_url(found, url))


def _line(text: str, limit: int) -> str:
    """Return a text as one visible line, cut at the limit."""
    line = normalise_line(_UNSAFE.sub(" ", text[: 10 * limit]))
    return line if len(line) <= limit else normalise_line(line[: limit - 1]) + "…"


def _image_url(found: dict[str, str], url: str) -> str:
    for name in _IMAGES:
        try:
            image = urljoin(url, found.get(name, "").strip()) if found.get(name, "").strip() else ""
            parts = urlsplit(image)
        except ValueError:  # such as an unclosed bracket
            continue
        if parts.scheme in ("http", "https") and parts.netloc and len(image) <= _MAX_URL:
            return image
    return ""


def _decode(body: bytes, content_type: str) -> str:
    """Return the text of a page by its byte order mark, the header, its `meta` element, or as UTF-8."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    if match := _CHARSET.search(content_type):
        return _decode_as(body, match[1])
    if declared := _META_CHARSET.search(body[:_PRESCAN_BYTES]):
        name = declared[1].decode("ascii", "replace")
        return _decode_as(body, "utf-8" if name.lower().startswith("utf-16") else name)
    return body.decode("utf-8", "replace")


def _decode_as(body: bytes, name: str) -> str:
    name = name.lower()
    if not _WEB_ENCODING.fullmatch(name):
        name = "utf-8"
    try:
        return body.decode(_SUPERSETS.get(name, name), "replace")
    except LookupError:  # iso-8859-12 and the like
        return body.decode("utf-8", "replace")


class _Stop(Exception):
    """Ends parsing where the body of the page begins."""


class _MetadataParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}
        self._title: list[str] | None = None

    @classmethod
    def parse(cls, html: str) -> dict[str, str]:
        """Return the first value of each named `meta` element, and the title as `<title>`."""
        parser = cls()
        with contextlib.suppress(_Stop, AssertionError):  # it asserts on some broken declarations
            # Without `close`: some versions read the rest of a broken page again for each `<` in it.
            parser.feed(html)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            raise _Stop
        if tag == "title" and "<title>" not in self.found:
            self._title = []
        elif tag == "meta":
            values = {name: value or "" for name, value in reversed(attrs)}
            name = (values.get("property") or values.get("name") or "").strip().lower()
            if name and values.get("content", "").strip():
                self.found.setdefault(name, values["content"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._title is not None:
            self.found["<title>"] = "".join(self._title)
            self._title = None

    def handle_data(self, data: str) -> None:
        if self._title is not None:
            self._title.append(data)
