"""Names that look alike: skeletons of Unicode Technical Standard 39."""

import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Final

from blog.text.normalisation import fold_name

_ACCENT: Final = re.compile("[\u0300-\u036f]")


def skeleton(text: str) -> str:
    """Return the text with each character replaced by the prototype of the characters that look like it: `pau1` → `paul`.

    Texts with equal skeletons look alike. The skeleton itself is not for display.
    """
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).translate(_prototypes()))


def lookalike_keys(name: str) -> frozenset[str]:
    """Return the keys of a name: two names look alike if they have a key in common.

    Ignores case, accents, spaces, punctuation and symbols. There are two keys, because letters may look alike only as capitals
    (`I` and `l`) or only as small letters.
    """
    compatible = unicodedata.normalize("NFKC", name)
    return frozenset(filter(None, (_compact(fold_name(compatible)), _compact(skeleton(compatible).casefold()))))


def _compact(text: str) -> str:
    without_accents = _ACCENT.sub("", skeleton(text))
    return "".join(char for char in without_accents if unicodedata.category(char)[0] in "LMN")


@cache
def _prototypes() -> dict[int, str]:
    """Return Unicode's table of confusable characters, for `str.translate`. Takes some milliseconds once."""
    table: dict[int, str] = {}
    for line in files("blog.text").joinpath("confusables.txt").read_text(encoding="ascii").splitlines():
        prototype, _, characters = line.partition(";")
        if not line.startswith("#"):
            text = "".join(chr(int(code, 16)) for code in prototype.split())
            table |= {int(code, 16): text for code in characters.split()}
    return table
