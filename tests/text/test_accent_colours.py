"""Whatever colour an owner chooses, it can be read."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.accent_colours import DARK, LIGHT, MIN_TEXT_CONTRAST, contrast_ratio, derive_accent, mix
from tests.support.lines import ROOT

COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
HARD = ["#000000", "#ffffff", "#ffff00", "#808080", "#767676", "#0000ff", "#fcfcfa", "#16191b", "#ff0000", "#00ff00"]


def require_legible(ground, chosen):
    made = derive_accent(ground, chosen)
    for colour in (made.accent, made.strong):
        for behind in (ground.surface, ground.raised, made.tint):
            assert contrast_ratio(colour, behind) >= MIN_TEXT_CONTRAST
        assert contrast_ratio(made.on_accent, colour) >= MIN_TEXT_CONTRAST, "text on a button, also under the pointer"


@pytest.mark.parametrize("ground", [LIGHT, DARK])
@pytest.mark.parametrize("chosen", HARD)
def test_hard_colours_are_legible(ground: Any, chosen: Any) -> None:
    require_legible(ground, chosen)


@given(COLOURS)
def test_every_colour_is_legible_light_and_dark(chosen: Any) -> None:
    require_legible(LIGHT, chosen)
    require_legible(DARK, chosen)


def test_colour_that_can_be_read_stays_as_it_was_chosen() -> None:
    assert derive_accent(LIGHT, "#17614b").accent == "#17614b"
    assert derive_accent(DARK, "#86cfb1").accent == "#86cfb1"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float | int) -> None:
    assert contrast_ratio(one, other) == contrast_ratio(other, one) == pytest.approx(ratio, abs=0.005)


def test_mixing_goes_from_the_one_to_the_other() -> None:
    assert [mix("#000000", "#ff8040", share) for share in (0, 0.5, 1)] == ["#000000", "#804020", "#ff8040"]


def test_grounds_are_those_of_the_style_sheet() -> None:
    css = (ROOT / "static" / "css" / "blog.css").read_text()
    for name, values in (("paper", {LIGHT.surface, DARK.surface}), ("raised", {LIGHT.raised, DARK.raised})):
        pairs = re.findall(rf"--{name}: light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\);", css)
        assert values == set(*pairs)
