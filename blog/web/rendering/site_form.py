"""The fields for the identity of the site, which the setup page and the settings share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from blog.framework.request.forms import Form
from blog.schemas.site_preferences import SiteIdentity
from blog.text import language_tags, time_zones
from blog.text.accent_colours import DARK, DEFAULT_ACCENT, DEFAULT_DARK_ACCENT, LIGHT, derive_accent
from blog.text.language_tags import COMMON_LANGUAGES

M = TypeVar("M", bound=BaseModel)
ACCENTS = (
    (DEFAULT_ACCENT, "Green"), ("#1f5fa8", "Blue"), ("#0b6e7a", "Teal"), ("#6b3fa0", "Violet"), ("#b0285a", "Pink"),
    ("#b3261e", "Red"), ("#a34a00", "Orange"), ("#575f66", "Grey"),
)  # fmt: skip
"""The accent colours that the setup page offers; the appearance takes any colour."""
_NO_TAG = "Not a language tag. Enter one such as gsw, pt-AO or zh-Hant"
_TWO_LANGUAGES = "To use this tag, choose “Another language” in the list. Otherwise leave this empty."
_TAGS = frozenset(tag for tag, _ in COMMON_LANGUAGES)


@dataclass(frozen=True, slots=True)
class Swatch:
    """An accent colour, and the colours that it becomes on light and on dark pages."""

    chosen: str
    light: str
    dark: str


def swatch(colour: str) -> Swatch:
    """Return the colours that an accent colour becomes."""
    if colour == DEFAULT_ACCENT:
        return Swatch(colour, colour, DEFAULT_DARK_ACCENT)
    return Swatch(colour, derive_accent(LIGHT, colour).accent, derive_accent(DARK, colour).accent)


def identity_values(identity: SiteIdentity) -> dict[str, str]:
    """Return the initial values of the fields."""
    is_common = identity.language in _TAGS
    return {
        "title": identity.title,
        "description": identity.description,
        "language": identity.language if is_common else "",
        "language_tag": "" if is_common else identity.language,
        "time_zone": identity.time_zone,
    }


def parse_accent(form: Form) -> str | None:
    """Return the accent colour of a form. The default colour is no colour."""
    accent = form.value("accent").strip().lower()
    return None if accent in ("", DEFAULT_ACCENT) else accent


def identity_choices() -> Mapping[str, Any]:
    """Return the template values of the fields."""
    return {
        "accents": [(swatch(colour), name) for colour, name in ACCENTS],
        "languages": COMMON_LANGUAGES,
        "time_zones": time_zones.zones_by_region(),
    }


def parse_identity(form: Form, model: type[M], **overrides: Any) -> M | None:
    """Return the form as a model that has the fields of `SiteIdentity`, or None after adding messages to the form.

    Fields that were not sent are absent.
    """
    data = form.parse(model, language=_parse_language(form), language_tag=None, **overrides)
    return None if form.errors else data


def _parse_language(form: Form) -> str | None:
    """Return the language of the list or, if it is another one, the tag. None: not sent, or a message was added."""
    chosen, typed = form.value("language"), form.value("language_tag").strip()
    if chosen and typed and language_tags.normalise(typed) != chosen:
        form.errors["language_tag"] = _TWO_LANGUAGES
    elif chosen or "language" not in form.values:
        return chosen or None
    elif tag := language_tags.normalise(typed):
        return tag
    else:
        form.errors["language_tag"] = _NO_TAG if typed else "Enter the language tag, such as gsw or pt-AO"
    return None
