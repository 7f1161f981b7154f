"""Derivation of the page colours from one accent colour, with the text contrast of WCAG 2.2 (4.5 or more).

Colours are `#rrggbb` in sRGB.
"""

from dataclasses import dataclass
from typing import Final

MIN_TEXT_CONTRAST: Final = 4.5
_STEPS: Final = 256

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Background:
    """The background of a theme: the page, raised surfaces, and black or white as the colour of the highest contrast."""

    surface: str
    raised: str
    extreme: str


LIGHT: Final = Background("#fcfcfa", "#f3f3ee", "#000000")
DARK: Final = Background("#16191b", "#1f2426", "#ffffff")
"""The backgrounds in `static/css/blog.css`."""
DEFAULT_ACCENT: Final = "#17614b"
DEFAULT_DARK_ACCENT: Final = "#86cfb1"
"""The accents in `static/css/blog.css`, which apply if no colour was chosen."""


@dataclass(frozen=True, slots=True)
class Accent:
    """The accent in one theme: links and buttons, their hover state, text on buttons, backgrounds, and selected text."""

    accent: str
    strong: str
    on_accent: str
    tint: str
    selection: str


def derive_accent(background: Background, chosen: str) -> Accent:
    """Return the accent closest to the chosen colour that is readable on the background and its tint.

    Text on buttons has the colour of the page: the contrast is the same in both directions.
    """
    tint = mix(chosen, background.surface, 0.9)
    accent = _legible_colour(chosen, background.extreme, (background.surface, background.raised, tint))
    return Accent(accent, mix(accent, background.extreme, 0.3), background.surface, tint, mix(chosen, background.surface, 0.75))


def contrast_ratio(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """Mix two colours. `share` is the share of the second, from 0 to 1."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{round(first + (second - first) * share):02x}" for first, second in pairs)


def _legible_colour(chosen: str, extreme: str, surfaces: tuple[str, ...]) -> str:
    """Return the first colour on the way from `chosen` to `extreme` with enough contrast to all surfaces."""
    for step in range(_STEPS):
        candidate = mix(chosen, extreme, step / _STEPS)
        if all(contrast_ratio(candidate, surface) >= MIN_TEXT_CONTRAST for surface in surfaces):
            return candidate
    return extreme


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(value / 255) for value in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _rgb(colour: str) -> RGB:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
