"""One colour of an owner's choice, made into the colours of the pages, so that whatever is chosen can be read.

Contrast is that of WCAG 2.2: 4.5 or more for text. Colours are `#rrggbb` in sRGB.
"""

from dataclasses import dataclass
from typing import Final

MIN_TEXT_CONTRAST: Final = 4.5
_STEPS: Final = 256

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Background:
    """What accents stand on: the paper, raised parts of it, and the ink that is furthest from both."""

    surface: str
    raised: str
    extreme: str


LIGHT: Final = Background("#fcfcfa", "#f3f3ee", "#000000")
DARK: Final = Background("#16191b", "#1f2426", "#ffffff")
"""The grounds as `static/css/blog.css` has them."""


@dataclass(frozen=True, slots=True)
class Accent:
    """The accent on one ground: for links and buttons, under the pointer, for text on a button, and behind words."""

    accent: str
    strong: str
    on_accent: str
    tint: str
    selection: str


def derive_accent(background: Background, chosen: str) -> Accent:
    """The chosen colour, moved towards black or white only as far as it must to be read on the ground and its tint.

    The text on a button has the colour of the paper: what is read on the paper is read the other way round as well.
    """
    tint = mix(chosen, background.surface, 0.9)
    accent = _legible_colour(chosen, background.extreme, (background.surface, background.raised, tint))
    return Accent(accent, mix(accent, background.extreme, 0.3), background.surface, tint, mix(chosen, background.surface, 0.75))


def contrast_ratio(one: str, other: str) -> float:
    """WCAG's contrast ratio, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """The first colour with a share, from 0 to 1, of the second."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{round(first + (second - first) * share):02x}" for first, second in pairs)


def _legible_colour(chosen: str, pole: str, grounds: tuple[str, ...]) -> str:
    """The first colour on the way to the pole that has the contrast of text with all grounds; the pole has it in any case."""
    for step in range(_STEPS):
        candidate = mix(chosen, pole, step / _STEPS)
        if all(contrast_ratio(candidate, ground) >= MIN_TEXT_CONTRAST for ground in grounds):
            return candidate
    return pole


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(value / 255) for value in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _rgb(colour: str) -> RGB:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
