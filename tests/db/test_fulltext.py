"""Search queries find posts, and no text in them is syntax."""

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as configured
from hypothesis import strategies as st

from blog.db import fulltext as db_fulltext
from blog.db import search_query, tokenizer
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.posts import NewPost
from tests.support.optional import unwrap
from tests.support.snippets import snippets_of

POSTS = {
    1: ("Weaving by hand", "craft looms", "The Jacquard loom reads cards."),
    2: ("Cafés of the north", "travel", "Crème brûlée and naïve art. C++ on the wall."),
    3: ("日本語の記事", "日本", "東京で書かれた最初の記事です。"),
    4: ("Loom", "", "Nothing else."),
}


async def put(db: Database, post_id: int, *, title: str, tags: str, body: str) -> None:
    async with db.transaction():
        await db_fulltext.index(db, post_id, title=title, names=tags, body=db_fulltext.index_text(body))


async def remove_post(db: Database, post_id: int) -> None:
    async with db.transaction():
        await db_fulltext.remove(db, post_id)


@pytest.fixture
async def indexed(db: Database) -> Database:
    for post_id, (title, tags, body) in POSTS.items():
        await put(db, post_id, title=title, tags=tags, body=body)
    return db


async def found(db: Database, text: str) -> list[int]:
    matches = db_fulltext.match_posts(db, text)
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
        ("NEAR(jacquard loom)", set()), ("body : cards", set()), ('un"balanced', set()), ("c++", {2}), ("c", {1, 2}),
    ],
)  # fmt: skip
async def test_text_finds(indexed: Database, text: str, expected: set[int]) -> None:
    assert set(await found(indexed, text)) == expected


async def test_title_counts_more_than_text(indexed: Database) -> None:
    assert (await found(indexed, "loom"))[0] == 4


async def test_index_follows_the_post(indexed: Database) -> None:
    await put(indexed, 1, title="Knitting", tags="", body="")
    assert await found(indexed, "jacquard") == []
    assert await found(indexed, "knitting") == [1]
    await remove_post(indexed, 1)
    assert await found(indexed, "knitting") == []


@configured(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=60))
async def test_no_text_is_an_error(indexed: Database, text: str) -> None:
    await found(indexed, text)


@pytest.mark.parametrize("text", ["_", "___ --", "。", "\u200b"])
async def test_text_without_a_word_runs_no_query(db: Database, text: str) -> None:
    assert db_fulltext.match_posts(db, text) is None


def words(text: str) -> list[str]:
    return [token.word for token in tokenizer.tokenize(tokenizer.normalize(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("人々", ["人", "々"]), ("か\u3099", ["が"]), ("ｶﾅ", ["カ", "ナ"]), ("ﾃﾞｰﾀ", ["デ", "ー", "タ"]),
        ("Tokyo東京2026", ["tokyo", "東", "京", "2026"]), ("한국어 블로그", ["한국어", "블로그"]),
        ("\U00020bb7野家", ["\U00020bb7", "野", "家"]), ("crème", ["creme"]), ("ปลาทู", ["ป", "ลา", "ทู"]),
        ("ພາສາ", ["ພາ", "ສາ"]), ("ខ្មែរ", ["ខ្មែ", "រ"]), ("मराठी हिन्दी", ["मराठी", "हिन्दी"]), ("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"]),
    ],
)  # fmt: skip
def test_scripts_without_spaces_are_split(text: str, expected: list[str]) -> None:
    assert words(text) == expected


async def test_only_the_first_terms_count_and_only_the_last_is_a_prefix(indexed: Database) -> None:
    terms = ["loom", "reads", "cards", "weaving"] * search_query.MAX_TERMS
    assert await found(indexed, " ".join([*terms[: search_query.MAX_TERMS], "absent"])) == [1]
    assert await found(indexed, " ".join(["loo", *terms])) == []
    assert await found(indexed, "loo -") == []


async def test_matches_join_and_count(indexed: Database) -> None:
    matches = unwrap(db_fulltext.match_posts(indexed, "loom"))
    joined = sa.select(sa.func.count()).select_from(matches)
    assert await indexed.fetch_val(joined) == 2


# Passages


async def passage(db: Database, text: str, post_id: int) -> tuple[list[str], str]:
    """Return the marked words of title and text, and the text as it is shown."""
    found = (await snippets_of(db, text, [post_id]))[post_id]
    return [part.text for part in (*found.title, *found.text) if part.is_hit], "".join(part.text for part in found.text)


@pytest.mark.parametrize(
    ("text", "post_id", "marked"),
    [
        ("loom", 1, ["loom"]), ("jacq", 1, ["Jacquard"]), ('"jacquard loom"', 1, ["Jacquard loom"]),
        ("naive cafe", 2, ["Cafés", "naïve"]), ("日本", 3, ["日本"]), ("記事", 3, ["記事", "記事"]), ("travel", 2, []),
        ("reads cards", 1, ["reads", "cards"]), ("c++", 2, ["C++"]), ("c ", 2, ["C"]),
    ],
)  # fmt: skip
async def test_matches_are_marked(indexed: Database, text: str, post_id: int, marked: list[str]) -> None:
    assert (await passage(indexed, text, post_id))[0] == marked


async def test_snippet_of_a_short_text_is_the_whole_text(indexed: Database) -> None:
    for post_id in (1, 2, 3):
        for text in ("loom", "cafe", "記事"):
            if post_id in (await found(indexed, text)):
                assert (await passage(indexed, text, post_id))[1] == POSTS[post_id][2]


async def test_snippet_of_a_long_text_is_around_the_words(indexed: Database) -> None:
    body = " ".join(f"w{number}" for number in range(3000))
    await put(indexed, 5, title="Long", tags="", body=body)
    marked, shown = await passage(indexed, "w1500 w1507", 5)
    assert marked == ["w1500", "w1507"]
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert 35 <= len(shown.split()) <= 42
    assert (await passage(indexed, "long", 5))[1].startswith("w0 w1 w2"), "the beginning, when the words stand in the title"


async def test_phrase_is_found_also_far_into_a_long_post(indexed: Database) -> None:
    words_before = "よ" * 20_000
    await put(indexed, 5, title="Long", tags="", body=words_before + "東京駅")
    assert await found(indexed, "京駅") == [5]
    assert await found(indexed, "駅京") == []
    assert await found(indexed, '"long よ"') == [], "no phrase goes on from the title to the text"


async def test_text_of_many_and_very_long_words_is_indexed(indexed: Database) -> None:
    body = " ".join([f"{number:x}" for number in range(40_000)] + ["z" * 5000])
    await put(indexed, 5, title="Long", tags="", body=body)
    assert await found(indexed, "9c3f") == [5]
    assert await found(indexed, "z" * 5000) == [5]


async def test_index_entries_can_be_compared_with_posts(ctx: Context, author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="b"))
    held = await db_fulltext.stored_entries(ctx.db, [post.id, 99])
    assert held == {post.id: db_fulltext.expected_entry("A", "ada", db_fulltext.index_text("b"))}
    await remove_post(ctx.db, post.id)
    assert await db_fulltext.stored_entries(ctx.db, [post.id]) == {}
