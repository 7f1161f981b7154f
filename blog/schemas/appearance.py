"""The appearance of the site, and the file that it is exported to."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from blog.schemas.fields import Input, Line, validate_text
from blog.schemas.theme import Theme

MAX_FOOTER_LENGTH, MAX_SOCIAL_LINKS = 1_000, 10
MAX_CSS_BYTES = 100_000
FILE_VERSION = 1
_ACCENT = re.compile(r"#[0-9a-f]{6}")
_MAIL_TARGET = re.compile(r"mailto:[^\s@?]+@[^\s@?]+")


def _validate_accent(value: str) -> str:
    if not _ACCENT.fullmatch(value):
        raise PydanticCustomError("colour", "Not a hex colour. Use # and six hexadecimal digits, e.g. #17614b")
    return value


def _validate_social_link(value: str) -> str:
    if not (_MAIL_TARGET.fullmatch(value) or _is_web_url(value)):
        raise PydanticCustomError(
            "social_link", "Not a link. Use a URL, e.g. https://example.org/@ada, or mailto:ada@example.org"
        )
    return value


def _is_web_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", value)
    except ValueError:  # an unclosed bracket
        return False


def _validate_css(value: str) -> str:
    if (size := len(validate_text(value).encode())) > MAX_CSS_BYTES:
        raise PydanticCustomError(
            "css_too_long", "Use at most {limit} bytes. This CSS has {size}", {"limit": MAX_CSS_BYTES, "size": size}
        )
    return value


def _validate_version(value: int) -> int:
    if value != FILE_VERSION:
        raise PydanticCustomError(
            "version", "Unknown version of the file. This blog reads version {version}", {"version": FILE_VERSION}
        )
    return value


Accent = Annotated[str, AfterValidator(_validate_accent)]
SocialLink = Annotated[Line, StringConstraints(strip_whitespace=True, max_length=500), AfterValidator(_validate_social_link)]
FooterText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_FOOTER_LENGTH), AfterValidator(validate_text)]
CustomCss = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_validate_css)]


class AccentChoice(Input):
    """The accent colour, which the setup page and the appearance have."""

    accent: Accent | None = Field(default=None, description="The colour of links and buttons")


class Appearance(AccentChoice):
    """The preferences that change what readers see and nothing else. Undo, export and import cover all of them."""

    colour_scheme: Theme = Field(default=Theme.AUTO, description="Light, dark, or the choice of each reader")
    show_author: bool = True
    show_date: bool = True
    show_reading_time: bool = True
    show_related: bool = True
    footer_text: FooterText = Field(default="", description="A text for the end of each page, in the Markdown of comments")
    social_links: Annotated[list[SocialLink], Field(max_length=MAX_SOCIAL_LINKS)] = Field(default_factory=list)
    custom_css: CustomCss = Field(default="", description="CSS for the pages that readers see")


class AppearanceFile(Input):
    """An exported appearance. Members of `appearance` that are absent have their defaults."""

    version: Annotated[int, AfterValidator(_validate_version)]
    appearance: Appearance
