"""Full-text search of published posts, with snippets."""

import contextlib
import sqlite3
from collections.abc import Iterable
from typing import Any

import pytest

from blog.db.snippets import TextSpan
from blog.domain.core.context import Context
from blog.domain.posts import posts, search
from blog.domain.posts.models import Post
from blog.schemas.posts import NewPost, PostStatus


async def write(author: Context, title: str, content: str = "x", **fields: Any) -> Post:
    return await posts.create(author, NewPost(title=title, content=content, **fields))


def marked(parts: Iterable[TextSpan]) -> str:
    return "".join(f"[{part.text}]" if part.is_hit else part.text for part in parts)


async def search_marked(ctx: Context, text: str) -> list[tuple[str, str]]:
    return [(marked(item.snippet.title), marked(item.snippet.text)) for item in (await search.search_posts(ctx, text)).items]


async def test_matches_are_marked_in_snippets(ctx: Context, author: Context) -> None:
    await write(author, "The Café", "It *weaves* algebraic patterns, as the cafe does.")
    assert await search_marked(ctx, "cafe pattern") == [("The [Café]", "It weaves algebraic [patterns], as the [cafe] does.")]
    assert await search_marked(ctx, '"algebraic patterns"') == [("The Café", "It weaves [algebraic patterns], as the cafe does.")]


async def test_long_texts_are_cut_around_the_words(ctx: Context, author: Context) -> None:
    await write(author, "Long", "before " * 200 + "needle " + "after " * 200)
    ((_, text),) = await search_marked(ctx, "needle")
    assert text.startswith("…before")
    assert text.endswith("after…")
    assert "[needle]" in text
    assert len(text.split()) <= 42


async def test_snippets_of_scripts_without_spaces_have_no_spaces(ctx: Context, author: Context) -> None:
    await write(author, "日本語の記事", "東京で書かれた最初の記事です。Tokyo 2026年")
    assert await search_marked(ctx, "記事") == [("日本語の[記事]", "東京で書かれた最初の[記事]です。Tokyo 2026年")]


async def test_markup_in_a_post_is_plain_text_in_a_snippet(ctx: Context, author: Context) -> None:
    await write(author, "<b>Loom</b>", "`<script>loom</script>` & more")
    assert await search_marked(ctx, "loom") == [("<b>[Loom]</b>", "<script>[loom]</script> & more")]


async def test_all_results_are_counted_and_paged_best_first(ctx: Context, author: Context) -> None:
    for number in range(search.PAGE_SIZE + 5):
        await write(author, f"Post {number}", "loom " + "word " * number)
    await write(author, "Loom", "elsewhere")
    await write(author, "Hidden loom", status=PostStatus.DRAFT)
    first, second = [await search.search_posts(ctx, "loom", page) for page in (1, 2)]
    assert (first.total, first.page_count) == (search.PAGE_SIZE + 6, 2)
    assert first.items[0].post.title == "Loom"
    titles = [item.post.title for item in (*first.items, *second.items)]
    assert len(titles) == len(set(titles)) == first.total
    assert (await search.search_posts(ctx, "loom", 3)).items == []


async def test_only_the_newest_of_many_matches_are_ranked(ctx: Context, author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_RANKED", 3)
    await write(author, "Loom")
    for number in range(3):
        await write(author, f"Post {number}", "word " * number + "loom")
    whole = await search.search_posts(ctx, "post")
    assert ([item.post.title for item in whole.items], whole.total, whole.is_truncated) == (
        ["Post 0", "Post 1", "Post 2"],
        3,
        False,
    )
    for number in range(4):
        await write(author, f"Hidden loom {number}", status=PostStatus.DRAFT)  # and none of them takes a place
    cut = await search.search_posts(ctx, "loom")
    assert ([item.post.title for item in cut.items], cut.total, cut.is_truncated) == (["Post 0", "Post 1", "Post 2"], 3, True)


@pytest.mark.parametrize("text", ["", '"', "zebra"])
async def test_no_results_are_one_empty_page(ctx: Context, author: Context, text: str) -> None:
    await write(author, "Post")
    nothing = await search.search_posts(ctx, text)
    assert (list(nothing.items), nothing.total, nothing.page_count) == ([], 0, 1)


@pytest.mark.sqlite
async def test_post_that_is_hidden_during_a_search_is_left_out(author: Context) -> None:
    """The words are read after the matches: those of a draft must not be shown."""
    for title in ("Loom one", "Loom two"):
        await write(author, title)

    def hide(sql: str) -> None:
        if "post_authors" in sql:
            with contextlib.closing(sqlite3.connect(author.db.url.database)) as connection, connection:
                connection.execute("UPDATE posts SET status = 'draft' WHERE title = 'Loom two'")

    author.db.on_query.append(hide)
    assert await search_marked(author, "loom") == [("[Loom] one", "x")]


async def test_pages_end_with_the_last_ranked_match(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_RANKED", search.PAGE_SIZE)
    for number in range(search.PAGE_SIZE + 1):
        await write(author, f"Loom {number}")
    first, second = [await search.search_posts(author, "loom", page) for page in (1, 2)]
    assert (len(first.items), first.page_count, first.is_truncated) == (search.PAGE_SIZE, 1, True)
    assert (len(second.items), second.page_count, second.is_truncated) == (0, 1, True)
