"""Syntax highlighting: readable colours in every theme for all classes of Pygments."""

import re
from pathlib import Path

import pytest
from pygments.token import STANDARD_TYPES  # type: ignore[import-untyped]

from blog.text.highlighting import code_block

ALL = (Path(__file__).parents[2] / "static/css/blog.css").read_text("utf-8")
CSS = re.sub(r"/\*.*?\*/", "", ALL[ALL.index("/* Highlighted code") :], flags=re.DOTALL)
"""The last part of the stylesheet: a separate file would delay the first paint."""
BACKGROUNDS = {"light": "#f6f5f1", "dark": "#1d2021"}
SELECTORS = {
    "system light": r'^\.highlight,\n\[data-theme="light"\] \.highlight {',
    "system dark": r"^@media \(prefers-color-scheme: dark\) {\s*\.highlight {",
    "chosen dark": r'^\[data-theme="dark"\] \.highlight {',
}


def variables(theme: str) -> dict[str, str]:
    """Return the custom properties of a theme."""
    match = re.search(SELECTORS[theme] + r"([^}]*)}", CSS, re.MULTILINE)
    assert match is not None, f"no rule for {theme}"
    return dict(re.findall(r"--code-([a-z]+): (#[0-9a-f]{6});", match[1]))


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb` as WCAG 2.2 defines it."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the WCAG contrast ratio of two colours, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_ratio_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize(("theme", "background"), [("system light", "light"), ("system dark", "dark"), ("chosen dark", "dark")])
def test_every_colour_reaches_aa_on_both_backgrounds_of_its_theme(theme: str, background: str) -> None:
    colours = variables(theme)
    backgrounds = [colours.pop("background"), colours.pop("marked")]

    assert backgrounds[0] == BACKGROUNDS[background]
    too_faint = {
        (name, background): round(contrast(colour, background), 2)
        for name, colour in colours.items()
        for background in backgrounds
        if contrast(colour, background) < 4.5
    }
    assert too_faint == {}


def test_the_dark_theme_equals_the_dark_system_theme() -> None:
    assert variables("chosen dark") == variables("system dark")


def test_every_colour_is_used_and_defined_in_each_theme() -> None:
    used = set(re.findall(r"var\(--code-([a-z]+)\)", CSS))

    assert all(set(variables(theme)) == used for theme in SELECTORS)


def test_rules_use_only_classes_of_pygments_within_code_blocks() -> None:
    selectors = [line for line in CSS.splitlines() if line.endswith(("{", ",")) and not line.startswith("@media")]
    known = set(STANDARD_TYPES.values()) | {"highlight", "hll", "linenos"}

    assert all(".highlight" in selector for selector in selectors)
    assert set(re.findall(r"\.([a-z][a-z0-9]*)", " ".join(selectors))) <= known


@pytest.mark.parametrize(
    ("language", "code", "text", "variable"),
    [
        ("python", "# why", "# why", "comment"),
        ("python", "return", "return", "keyword"),
        ("rust", 'let a = "b";', '"b"', "string"),
        ("c", "int a;", "int", "type"),
        ("json", "[12]", "12", "number"),
        ("diff", "+new\n", "+new", "inserted"),
        ("diff", "-old\n", "-old", "deleted"),
        ("python", "def a(): pass", "a", "name"),
    ],
)
def test_tokens_of_pygments_get_their_colour(language: str, code: str, text: str, variable: str) -> None:
    spans = re.findall(r'<span class="(\w+)">([^<]*)</span>', code_block(code, language))
    css_class = next(name for name, content in spans if content == text)

    rules = re.findall(r"\.highlight (?::is\(([^)]*)\)|(\.\w+)) {\s*color: var\(--code-([a-z]+)\)", CSS)
    colours = {name: colour for many, one, colour in rules for name in (many or one).split(", ")}
    assert colours["." + css_class] == variable
