"""Normalisation of one-line texts: texts that look alike are equal, and texts without a visible character are empty."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.normalisation import fold_name, has_visible_text, normalise_line

INVISIBLE = [
    "\u200b", "\u3164", "\u00ad", "\u2800", "\u200e", "\ufeff", "\u115f", "\uffa0", "\u2060", "\u180e", "\u034f", "\ufe0f",
    "\U000e0041", "\U0001d159", "\u200d\u200d", "\u202e\u202c", "\u00a0\u3000 \t", "",
]  # fmt: skip
"""Zero-width space, Hangul fillers, soft hyphen, Braille blank, marks, byte-order mark, selectors, tags, overrides, spaces."""

MARKS = "\u0301\u0345\u200b\u200c\u200d\ufe0f\u00ad \u00a0\u3164\u2800\u061c\u094d\u200f\u115f\U000e0067"
ANY_TEXT = st.text(
    st.sampled_from(f"aA1éßİאبنक👨\U0001f3f4{MARKS},-") | st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]),
    max_size=12,
)


@pytest.mark.parametrize("text", INVISIBLE, ids=ascii)
def test_invisible_text_is_empty(text: str) -> None:
    assert not has_visible_text(text)
    assert (normalise_line(text), fold_name(text)) == ("", "")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cafe\u0301", "café"),
        ("a\u00a0b", "a b"),
        ("a  b", "a b"),
        (" a\u3000b\t", "a b"),
        ("machine\u200b learning", "machine learning"),
        ("machine \u200b learning", "machine learning"),
        ("soft\u00adware", "software"),
        ("ada\u200b", "ada"),
        ("\u202eada", "ada"),
        ("ada\u200e", "ada"),
        ("ada\u061c", "ada"),
        ("a\u200cd\u200da", "ada"),
        ("a\u200b\u0301", "á"),
        ("A\U000e0041B", "AB"),
        ("ㄱ\u3164", "ㄱ"),
    ],
    ids=ascii,
)
def test_line_has_one_spelling(text: str, line: str) -> None:
    assert normalise_line(text) == line
    assert fold_name(text) == fold_name(line) == line.casefold()


ENGLAND, SCOTLAND = (f"🏴{''.join(chr(0xE0000 + ord(char)) for char in name)}\U000e007f" for name in ("gbeng", "gbsct"))


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "क्\u200dष", "👨\u200d👩\u200d👧", "❤\ufe0f", "葛\U000e0100", ENGLAND, "שלום C++\u200f"], ids=ascii
)
def test_characters_that_change_their_neighbours_stay(text: str) -> None:
    assert normalise_line(text) == text
    assert fold_name(text) == fold_name(text.replace("\u200c", "").replace("\u200f", "").replace("\ufe0f", ""))


def test_flags_of_regions_are_different_names() -> None:
    assert len({fold_name(ENGLAND), fold_name(SCOTLAND), fold_name("🏴")}) == 3


@given(ANY_TEXT)
def test_normalising_again_changes_nothing(text: str) -> None:
    line, key = normalise_line(text), fold_name(text)
    assert normalise_line(line) == line == unicodedata.normalize("NFC", line)
    assert fold_name(key) == fold_name(line) == key
    assert bool(line) == has_visible_text(text)
    assert "  " not in line
    assert line == line.strip()
