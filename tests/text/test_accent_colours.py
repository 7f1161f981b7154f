"""Whatever colour an owner chooses, it can be read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.accent_colours import DARK, LIGHT, TEXT_CONTRAST, accent_on, contrast, mixed
from tests.support.lines import ROOT

COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)
HARD = ["#000000", "#ffffff", "#ffff00", "#808080", "#767676", "#0000ff", "#fcfcfa", "#16191b", "#ff0000", "#00ff00"]


def require_legible(ground, chosen):
    made = accent_on(ground, chosen)
    for colour in (made.accent, made.strong):
        for behind in (ground.paper, ground.raised, made.tint):
            assert contrast(colour, behind) >= TEXT_CONTRAST
        assert contrast(made.on_accent, colour) >= TEXT_CONTRAST, "text on a button, also under the pointer"


@pytest.mark.parametrize("ground", [LIGHT, DARK])
@pytest.mark.parametrize("chosen", HARD)
def test_hard_colours_are_legible(ground, chosen):
    require_legible(ground, chosen)


@given(COLOURS)
def test_every_colour_is_legible_light_and_dark(chosen):
    require_legible(LIGHT, chosen)
    require_legible(DARK, chosen)


def test_colour_that_can_be_read_stays_as_it_was_chosen():
    assert accent_on(LIGHT, "#17614b").accent == "#17614b"
    assert accent_on(DARK, "#86cfb1").accent == "#86cfb1"


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0)],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.005)


def test_mixing_goes_from_the_one_to_the_other():
    assert [mixed("#000000", "#ff8040", share) for share in (0, 0.5, 1)] == ["#000000", "#804020", "#ff8040"]


def test_grounds_are_those_of_the_style_sheet():
    css = (ROOT / "static" / "css" / "blog.css").read_text()
    for name, values in (("paper", {LIGHT.paper, DARK.paper}), ("raised", {LIGHT.raised, DARK.raised})):
        pairs = re.findall(rf"--{name}: light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\);", css)
        assert values == set(*pairs)
