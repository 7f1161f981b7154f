"""Titles to URL path segments."""

import unicodedata

# Apostrophes join ("don't" → "dont"); so do the invisible joiners inside Persian and Indic words.
_JOINERS = frozenset("'\u2019\u02bc\u00ad\u200b\u200c\u200d\ufeff")


def slugify(title: str, limit: int = 80, fallback: str = "post") -> str:
    """Return `title` as one lower-case URL path segment of letters, digits and single inner hyphens.

    Latin accents are dropped (`Élan` → `elan`), letters of other scripts are kept (`日本語`), compatibility forms are
    unfolded (NFKD, `ﬁ` → `fi`). At most `limit` code points (at least 1), cut between words where that keeps more
    than half of them; `fallback`, cut to `limit`, when no letter or digit remains. The result is NFC, and not
    percent-encoded.
    """
    slug = _hyphenate(_strip_latin_accents(unicodedata.normalize("NFKD", title).lower()))
    return _truncate(slug, limit) or fallback[:limit]


def _strip_latin_accents(decomposed: str) -> str:
    kept: list[str] = []
    after_latin = False
    for char in decomposed:
        if unicodedata.combining(char):
            if after_latin:
                continue
        else:
            after_latin = unicodedata.name(char, "").startswith("LATIN ")
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def _hyphenate(text: str) -> str:
    words = "".join(char if _is_wordlike(char) else " " for char in text if char not in _JOINERS).split()
    return "-".join(word for word in words if not _is_only_marks(word))


def _is_wordlike(char: str) -> bool:
    # Marks count, which str.isalnum() refuses: without them the vowels of Devanagari or Thai would be lost.
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
