"""Slugs: URL path segments made from titles."""

import re
import unicodedata

# Removed without separating words: apostrophes ("don't" → "dont", and the Hawaiian okina) and invisible joiners.
_JOINERS = frozenset("'\u2019\u02b9\u02ba\u02bb\u02bc\u02bd\u02be\u02bf\u00ad\u200b\u200c\u200d\u2060\ufeff")
# Latin letters that Unicode does not decompose. Most are named after their base: `ø` is LATIN SMALL LETTER O WITH STROKE.
_LATIN_NAME = re.compile(
    r"LATIN SMALL (?:LETTER|LIGATURE) (?:(?:OPEN|TURNED|REVERSED|BARRED|SCRIPT) )?([A-Z]{1,2})(?: BAR)?(?: WITH .+)?"
)
_LATIN_LETTERS = dict(zip("ßþðŋıȷəʊɩɣʒʃĸ", ["ss", "th", "d", "n", "i", "j", "e", "u", "i", "g", "z", "s", "k"], strict=True))


def slugify(title: str, limit: int = 80, fallback: str = "post") -> str:
    """Return `title` as a URL path segment: lower-case letters, digits and single inner hyphens.

    - `limit`: the maximum length in code points, at least 1. Cuts between words if that keeps more than half.
    - `fallback`: the result if no letter or digit remains.

    Writes Latin letters as ASCII (`Élan` → `elan`, `Straße` → `strasse`), keeps letters of other scripts (`日本語`), and
    decomposes compatibility forms (NFKD, `ﬁ` → `fi`). The result is NFC, and not percent-encoded.
    """
    slug = _hyphenate(_fold_latin(unicodedata.normalize("NFKD", title).lower()))
    return _truncate(slug, limit) or fallback[:limit]


def _fold_latin(decomposed: str) -> str:
    chars: list[str] = []
    after_latin = False
    for char in decomposed:
        if unicodedata.combining(char):
            if after_latin:
                continue
        else:
            after_latin = unicodedata.name(char, "").startswith("LATIN ")
        chars.append(_latin_base(char) if after_latin else char)
    return unicodedata.normalize("NFC", "".join(chars))


def _latin_base(letter: str) -> str:
    if letter.isascii():
        return letter
    match = _LATIN_NAME.fullmatch(unicodedata.name(letter, ""))
    return _LATIN_LETTERS.get(letter) or (match[1].lower() if match else letter)


def _hyphenate(text: str) -> str:
    words = "".join(char if _is_wordlike(char) else " " for char in text if char not in _JOINERS).split()
    return "-".join(word for word in words if not _is_only_marks(word))


def _is_wordlike(char: str) -> bool:
    # Unlike str.isalnum(), accept marks: the vowels of Devanagari and Thai are marks.
    return unicodedata.category(char)[0] in "LMN"


def _is_only_marks(word: str) -> bool:
    return all(unicodedata.category(char).startswith("M") for char in word)


def _truncate(slug: str, limit: int) -> str:
    if len(slug) <= limit:
        return slug
    cut = slug[:limit]
    if slug[limit] != "-":
        whole_words, _, _ = cut.rpartition("-")
        cut = whole_words if len(whole_words) > limit // 2 else cut
    return cut.rstrip("-")
