"""Accent colours: readable for any chosen colour."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.accent_colours import (
    DARK,
    DEFAULT_ACCENT,
    DEFAULT_DARK_ACCENT,
    LIGHT,
    MIN_TEXT_CONTRAST,
    Background,
    contrast_ratio,
    derive_accent,
    mix,
)
from tests.support.lines import ROOT

COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
DIFFICULT = ["#000000", "#ffffff", "#ffff00", "#808080", "#767676", "#0000ff", "#fcfcfa", "#16191b", "#ff0000", "#00ff00"]


def assert_readable(background: Background, chosen: str) -> None:
    derived = derive_accent(background, chosen)
    for colour in (derived.accent, derived.strong):
        for surface in (background.surface, background.raised, derived.tint):
            assert contrast_ratio(colour, surface) >= MIN_TEXT_CONTRAST
        assert contrast_ratio(derived.on_accent, colour) >= MIN_TEXT_CONTRAST, "text on buttons, also on hover"


@pytest.mark.parametrize("background", [LIGHT, DARK])
@pytest.mark.parametrize("chosen", DIFFICULT)
def test_difficult_colours_are_readable(background: Background, chosen: str) -> None:
    assert_readable(background, chosen)


@given(COLOURS)
def test_every_colour_is_readable_in_both_themes(chosen: str) -> None:
    assert_readable(LIGHT, chosen)
    assert_readable(DARK, chosen)


def test_a_readable_colour_is_unchanged() -> None:
    assert derive_accent(LIGHT, DEFAULT_ACCENT).accent == DEFAULT_ACCENT
    assert derive_accent(DARK, "#86cfb1").accent == "#86cfb1"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0)],
)
def test_contrast_ratio_of_wcag(one: str, other: str, ratio: float | int) -> None:
    assert contrast_ratio(one, other) == contrast_ratio(other, one) == pytest.approx(ratio, abs=0.005)


def test_mix_interpolates() -> None:
    assert [mix("#000000", "#ff8040", share) for share in (0, 0.5, 1)] == ["#000000", "#804020", "#ff8040"]


def test_colours_match_the_stylesheet() -> None:
    css = (ROOT / "static" / "css" / "blog.css").read_text()
    accents = {DEFAULT_ACCENT, DEFAULT_DARK_ACCENT}
    for name, values in (
        ("background", {LIGHT.surface, DARK.surface}),
        ("surface", {LIGHT.raised, DARK.raised}),
        ("accent", accents),
    ):
        pairs = re.findall(rf"--{name}: light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\);", css)
        assert values == set(*pairs)
