"""Language tags are checked and spelt as RFC 5646 recommends."""

import pytest

from blog.text import language_tags


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("en", "en"), ("EN-us", "en-US"), ("pt_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419"), ("yue", "yue"),
        ("zh-yue-HK", "zh-yue-HK"), ("sl-Rozaj-Biske", "sl-rozaj-biske"), ("de-CH-1901", "de-CH-1901"), (" de ", "de"),
        ("de-DE-u-co-phonebk", "de-DE-u-co-phonebk"), ("en-x-twain", "en-x-twain"), ("sr-Latn", "sr-Latn"),
    ],
)  # fmt: skip
def test_spelling(written: str, tag: str) -> None:
    assert language_tags.normalise(written) == tag
    assert language_tags.normalise(tag) == tag


@pytest.mark.parametrize(
    "text",
    ["", "e", "english", "x-private", "en-", "-en", "en--us", "en us", "en-u", "dé", "e1", "en-x", '"><b>', "en-" + "x-" * 40],
)
def test_other_text_is_no_tag(text: str) -> None:
    assert language_tags.normalise(text) is None


def test_common_languages_are_tags_in_their_usual_spelling() -> None:
    tags = [tag for tag, _ in language_tags.COMMON_LANGUAGES]
    assert len(set(tags)) == len(tags) > 40
    assert [language_tags.normalise(tag) for tag in tags] == tags
    assert "en" in tags, "the default"
