"""What readers type finds posts, and is never syntax."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st

from blog.db import search, words
from blog.db.database import Database

POSTS = {
    1: ("Weaving by hand", "craft looms", "The Jacquard loom reads cards."),
    2: ("Cafés of the north", "travel", "Crème brûlée and naïve art. C++ on the wall."),
    3: ("日本語の記事", "日本", "東京で書かれた最初の記事です。"),
    4: ("Loom", "", "Nothing else."),
}


@pytest.fixture
async def indexed(db: Database) -> Database:
    for post_id, (title, tags, body) in POSTS.items():
        await search.index(db, post_id, title=title, tags=tags, body=body)
    return db


async def found(db: Database, text: str) -> list[int]:
    matches = search.matching(db, text)
    if matches is None:
        return []
    return [row["post_id"] for row in await db.fetch_all(sa.select(matches.c.post_id).order_by(matches.c.rank))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("jacquard", {1}), ("JACQ", {1}), ("jacq ", set()), ("cafe", {2}), ("creme brulee", {2}), ("travel", {2}),
        ("loom cards", {1}), ('"jacquard loom"', {1}), ('"loom jacquard"', set()),
        ("日本", {3}), ("京で", {3}), ("記事", {3}), ("本日", set()),
        ("", set()), ('"', set()), ("*", set()), ("- ^ :", set()), ("nothing*", {4}),
        ("title:loom", set()), ("loom NOT cards", set()),
        ("NEAR(jacquard loom)", set()), ("body : cards", set()), ('un"balanced', set()), ("c++", {2}),
    ],
)  # fmt: skip
async def test_text_finds(indexed, text, expected):
    assert set(await found(indexed, text)) == expected


async def test_title_counts_more_than_text(indexed):
    assert (await found(indexed, "loom"))[0] == 4


async def test_index_follows_the_post(indexed):
    await search.index(indexed, 1, title="Knitting", tags="", body="")
    assert await found(indexed, "jacquard") == []
    assert await found(indexed, "knitting") == [1]
    await search.remove(indexed, 1)
    assert await found(indexed, "knitting") == []


@configured(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=60))
async def test_no_text_is_an_error(indexed, text):
    await found(indexed, text)


@pytest.mark.parametrize("text", ["_", "___ --", "。", "\u200b"])
async def test_text_without_a_word_asks_nothing(db, text):
    assert search.matching(db, text) is None


@pytest.mark.parametrize(
    ("text", "segmented"),
    [
        ("人々", ["人", "々"]), ("か\u3099", ["が"]), ("ｶﾅ", ["ｶ", "ﾅ"]), ("Tokyo東京2026", ["Tokyo", "東", "京", "2026"]),
        ("한국어 블로그", ["한국어", "블로그"]), ("\U00020bb7野家", ["\U00020bb7", "野", "家"]), ("crème", ["crème"]),
    ],
)  # fmt: skip
def test_ideographs_and_kana_stand_alone(text, segmented):
    assert words.segment(text).split() == segmented


async def test_only_the_first_terms_count_and_only_the_last_word_is_a_beginning(indexed):
    assert await found(indexed, " ".join(["loom"] * words.MOST_TERMS + ["absent"])) == [4, 1]
    assert await found(indexed, " ".join(["loo"] + ["loom"] * words.MOST_TERMS)) == []
    assert await found(indexed, "loo -") == []


async def test_matches_join_and_count(indexed):
    matches = search.matching(indexed, "loom")
    joined = sa.select(sa.func.count()).select_from(matches)
    assert await indexed.fetch_val(joined) == 2
