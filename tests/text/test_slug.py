"""Slugs: readable, stable, and always one URL path segment."""

import unicodedata
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.slug import slugify


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Hello, World!", "hello-world"),
        ("Crème Brûlée à l’été", "creme-brulee-a-lete"),
        ("Łódź Ångström", "lodz-angstrom"),
        ("Übergröße Straße", "ubergrosse-strasse"),
        ("STRAẞE", "strasse"),
        ("Smørrebrød på Ærø", "smorrebrod-pa-aero"),
        ("Đà Nẵng", "da-nang"),
        ("Þingvellir, Ísafjörður", "thingvellir-isafjordur"),
        ("Œuvre à cœur", "oeuvre-a-coeur"),
        ("ħobż, kuħħala", "hobz-kuhhala"),
        ("Diyarbakır", "diyarbakir"),
        ("Azərbaycan", "azerbaycan"),
        ("Hawaiʻi", "hawaii"),
        ("Ŋandi, Ɛdo, Ɔdo", "nandi-edo-odo"),
        ("Ελλάδα", "ελλάδα"),
        ("日本語タイトル", "日本語タイトル"),
        ("ガイド", "ガイド"),
        ("Привет, мой ёж", "привет-мой-ёж"),
        ("हिन्दी में", "हिन्दी-में"),
        ("İstanbul", "istanbul"),
        ("C++ & Rust — 2.0", "c-rust-2-0"),
        ("snake_case/and\\slashes", "snake-case-and-slashes"),
        ("Don't stop", "dont-stop"),
        ("ﬁne ｗｉｄｅ №5", "fine-wide-no5"),
        ("  --- spaced ---  ", "spaced"),
        ("../../etc/passwd", "etc-passwd"),
        ("half \ud800 pair", "half-pair"),
    ],
)
def test_titles_become_hyphenated_segments(title: str, slug: str) -> None:
    assert slugify(title) == slug


@pytest.mark.parametrize("title", ["", " ", "😀", "...", "-", "?#%", "\u0301", "\u200d"])
def test_a_title_without_letters_gets_the_fallback(title: str) -> None:
    assert slugify(title) == "post"
    assert slugify(title, fallback="section") == "section"


def test_a_long_title_is_cut_between_words() -> None:
    assert slugify("alpha beta gamma", limit=12) == "alpha-beta"
    assert slugify("alpha beta gamma", limit=10) == "alpha-beta"
    assert slugify("alpha beta gamma", limit=11) == "alpha-beta"


def test_a_single_long_word_is_cut() -> None:
    assert slugify("語" * 100) == "語" * 80
    assert slugify("a " + "b" * 100, limit=10) == "a-bbbbbbbb"


@given(st.text(), st.integers(1, 100))
def test_any_title_becomes_one_path_segment(title: str, limit: int) -> None:
    slug = slugify(title, limit)

    assert 1 <= len(slug) <= limit
    assert not slug.startswith("-")
    assert not slug.endswith("-")
    assert "--" not in slug
    assert slug == slug.lower() == unicodedata.normalize("NFC", slug)
    assert urlsplit(f"https://example.org/{slug}").path == f"/{slug}"
    assert set(slug) - set("-") == {char for char in slug if unicodedata.category(char)[0] in "LMN"}
    assert quote(slug, safe="").count("/") == 0


@given(st.text())
def test_slugify_is_idempotent(title: str) -> None:
    assert slugify(slugify(title)) == slugify(title)
