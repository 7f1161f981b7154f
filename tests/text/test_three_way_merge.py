"""Two changes of one text become one where they do not touch."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blog.text.three_way_merge import merge

TEXT = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=8).map("\n".join)
POEM = "one\ntwo\nthree\nfour\nfive\n"


@given(TEXT, TEXT)
def test_change_of_one_side_is_taken_whole(base: Any, changed: Any) -> None:
    assert merge(base, changed, base) == changed
    assert merge(base, base, changed) == changed
    assert merge(base, changed, changed) == changed


@given(TEXT, TEXT, TEXT)
def test_sides_are_equal(base: Any, mine: Any, theirs: Any) -> None:
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
def test_merge(mine: Any, theirs: Any, merged: str | None) -> None:
    assert merge(POEM, mine, theirs) == merged
