"""Names that look alike."""

import pytest

from blog.text.confusables import lookalike_keys, skeleton

CYRILLIC_ADA = "\u0430d\u0430"


def look_alike(one: str, other: str) -> bool:
    return not lookalike_keys(one).isdisjoint(lookalike_keys(other))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("ada", CYRILLIC_ADA),
        ("ada", "ada\u200b"),
        ("ada", "Ada \u2713"),
        ("ada", "\u0105d\u00e4"),
        ("ada", "\uff41\uff44\uff41"),
        ("ada", "\U0001d41a\U0001d41d\U0001d41a"),
        ("ada", "\u0391D\u0391"),
        ("paul", "pau1"),
        ("Ida", "lda"),
        ("bob", "b0b"),
        ("modern", "rnodern"),
        ("moderator", "\u041coderator"),
        ("Ada Lovelace", "adalovelace"),
    ],
    ids=ascii,
)
def test_names_look_alike(name: str, other: str) -> None:
    assert look_alike(name, other)
    assert look_alike(other, name)


@pytest.mark.parametrize(("name", "other"), [("ada", "eda"), ("ada", "adam"), ("काम", "कम"), ("山田", "山口"), ("!!!", "???")])
def test_different_names_do_not_look_alike(name: str, other: str) -> None:
    assert not look_alike(name, other)


def test_skeleton_replaces_each_character_by_its_prototype() -> None:
    assert skeleton(CYRILLIC_ADA) == "ada"
    assert skeleton("m") == "rn"
    assert skeleton("\u00e9") == "e\u0301"
