"""Three-way merge of two changes to one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.three_way_merge import merge

TEXT = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=8).map("\n".join)
POEM = "one\ntwo\nthree\nfour\nfive\n"


@given(TEXT, TEXT)
def test_a_change_on_one_side_is_applied(base: str, changed: str) -> None:
    assert merge(base, changed, base) == changed
    assert merge(base, base, changed) == changed
    assert merge(base, changed, changed) == changed


@given(TEXT, TEXT, TEXT)
def test_merge_is_symmetric(base: str, mine: str, theirs: str) -> None:
    assert (merge(base, mine, theirs) is None) == (merge(base, theirs, mine) is None)


@pytest.mark.parametrize(
    ("mine", "theirs", "merged"),
    [
        ("ONE\ntwo\nthree\nfour\nfive\n", "one\ntwo\nthree\nfour\nFIVE\n", "ONE\ntwo\nthree\nfour\nFIVE\n"),
        (POEM + "six\n", "zero\n" + POEM, "zero\n" + POEM + "six\n"),
        ("one\nthree\nfour\nfive\n", "one\ntwo\nthree\nfour and a half\nfive\n", "one\nthree\nfour and a half\nfive\n"),
        ("one\nTWO\nthree\nfour\nfive\n", "one\nzwei\nthree\nfour\nfive\n", None),
        ("one\nTWO\nthree\nfour\nfive\n", "one\ntwo\nTHREE\nfour\nfive\n", None),
        (POEM + "mine\n", POEM + "theirs\n", None),
        ("", "one\ntwo\nthree\nfour\nFIVE\n", None),
    ],
)
def test_merge(mine: str, theirs: str, merged: str | None) -> None:
    assert merge(POEM, mine, theirs) == merged
