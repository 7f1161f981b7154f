"""Recognition of bare URLs and e-mail addresses in text of any script."""

import re
import unicodedata
from typing import Final

from linkify_it import LinkifyIt  # type: ignore[import-untyped]

_MAX_LENGTH: Final = 4096
_RUN: Final = re.compile(rf"[^\s<>]{{0,{_MAX_LENGTH}}}")
# Quotation marks, ellipses, dashes, and CJK punctuation. Other punctuation can be part of a path: `ジョン・レノン`.
_END: Final = re.compile(
    r"[\u2014\u2015\u201c-\u201f\u2026\u2039\u203a«»\u3001-\u3003\u3008-\u3011\u3014-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff3d\uff5b-\uff64]"
)
_AUTHORITY: Final = re.compile(r"(?://|[^/?#@]+@)[^/?#]*")
_ASCII: Final = re.compile(r"[\x00-\x7f]*")
_NOT_LATIN: Final = r"[^\x00-\u036f\u1e00-\u1eff]"
_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_TRAILING: Final = frozenset(".,:;!?'\"*")


class Linkifier(LinkifyIt):  # type: ignore[misc]
    """A linkifier that ends URLs and e-mail addresses before punctuation and text in other scripts.

    Upstream knows only ASCII punctuation: it includes the last character of `“https://example.com”` and of `https://example.com。`,
    and it takes `https://example.com입니다` for another host. It finds no e-mail address next to such text.
    """

    def __init__(self) -> None:
        # Without a scheme too many words look like URLs (README.md, main.rs). The sanitiser removes FTP and "//" links.
        super().__init__({"ftp:": None, "//": None}, {"fuzzy_link": False})
        self.re["email_fuzzy"] = (  # the length of the first group is skipped
            rf'(^|[><"«(:;,=\s]|(?<={_NOT_LATIN}))'
            rf"(?=\w)({self.re['src_email_name']}@(?:{_LABEL}\.){{1,10}}(?:{self.re['src_tlds']})(?={_NOT_LATIN}|(?![\w@-]|[.:]\w)))"
        )

    def pretest(self, text: str) -> bool:
        """Return whether the text may contain a link. Upstream runs a slow regular expression for every text."""
        return (":" in text or "@" in text) and bool(super().pretest(text))

    def test_schema_at(self, text: str, name: str, position: int) -> int:
        """Return the length of the link after the scheme `name:` that ends at `position`, or 0."""
        match = _RUN.match(text, position)
        run = match[0] if match else ""
        if run.isascii() or len(run) == _MAX_LENGTH:
            return int(super().test_schema_at(text, name, position))
        return int(super().test_schema_at(run[: _link_end(run)], name, 0))


def _link_end(run: str) -> int:
    """Return the length of the link at the start of a text without spaces."""
    stop = _END.search(run)
    end = stop.start() if stop else len(run)
    if authority := _AUTHORITY.match(run, 0, end):
        end = _host_end(authority[0]) or end
    while end and (run[end - 1] in _TRAILING or _is_other_punctuation(run[end - 1])):
        end -= 1
    return end


def _host_end(authority: str) -> int | None:
    """Return the end of the host if its last label changes to another script, as no top-level domain does; else None."""
    label = max(authority.rfind("."), authority.rfind("@"), 1) + 1
    match = _ASCII.match(authority, label)
    end = match.end() if match else label
    return end if label < end < len(authority) else None


def _is_other_punctuation(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char).startswith("P")
