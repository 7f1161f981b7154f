"""Full-text search of published posts, with snippets."""

import contextlib
import sqlite3
from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import SecretStr

from blog.db.snippets import TextSpan
from blog.domain.accounts import account_deletion, accounts
from blog.domain.core.context import Context
from blog.domain.integrity import search_index
from blog.domain.posts import post_transfer, posts, rendering, search
from blog.domain.posts.models import Post
from blog.domain.posts.post_content import PostContent
from blog.domain.posts.rendering import RenderedPost
from blog.schemas.accounts import AccountChanges, AccountDeletion, PostsOnDeletion
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import PASSWORD, MakeUser


async def write(author: Context, title: str, content: str = "x", **fields: Any) -> Post:
    return await posts.create(author, NewPost(title=title, content=content, **fields))


def marked(parts: Iterable[TextSpan]) -> str:
    return "".join(f"[{part.text}]" if part.is_hit else part.text for part in parts)


async def search_marked(ctx: Context, text: str) -> list[tuple[str, str]]:
    return [(marked(item.snippet.title), marked(item.snippet.text)) for item in (await search.search_posts(ctx, text)).items]


async def found_titles(ctx: Context, text: str) -> list[str]:
    return sorted(item.post.title for item in (await search.search_posts(ctx, text)).items)


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


EXTRAS: dict[str, Any] = {
    "custom_excerpt": "About a wheel.",
    "meta_title": "The wheel of cards",
    "meta_description": "How a wheel turns.",
    "feature_image": {"url": "https://example.org/a.png", "alt": "A brass wheel"},
}


@pytest.mark.parametrize("field", [*EXTRAS, "caption"])
async def test_every_text_of_a_post_is_found(ctx: Context, author: Context, field: str) -> None:
    changes = (
        {field: EXTRAS[field]} if field in EXTRAS else {"feature_image": EXTRAS["feature_image"] | {"alt": "", field: "A wheel"}}
    )
    written = await write(author, "Looms", "They weave.", **changes)
    ((title, text),) = await search_marked(ctx, "wheel loom")
    assert title.startswith("[Loom")
    assert "[wheel]" in text
    await posts.delete(author, written.id)
    assert await search_marked(ctx, "wheel") == []
    await posts.undelete(author, written.id)
    assert len(await search_marked(ctx, "wheel")) == 1
    assert await search_index.check(ctx) == []
    await posts.edit(author, written.id, PostChanges.model_validate(dict.fromkeys(changes)))
    assert await search_marked(ctx, "wheel") == []
    assert await search_marked(ctx, "weave") == [("Looms", "They [weave].")]
    await posts.edit(author, written.id, PostChanges.model_validate(changes))
    assert len(await search_marked(ctx, "wheel")) == 1


async def test_posts_are_found_by_the_present_names_of_their_authors(ctx: Context, author: Context, make_user: MakeUser) -> None:
    bob = ctx.acting_as(accounts.as_actor(await make_user("bob")))
    await write(author, "Looms", "They weave.", tags=["cards"], authors=["ada", "bob"])
    await write(bob, "Wheels", "They turn.")
    titles = {"ada": ["Looms"], "bob": ["Looms", "Wheels"], "bob weave cards": ["Looms"]}
    for text, expected in titles.items():
        assert await found_titles(ctx, text) == expected
    await accounts.change(bob, AccountChanges(name="Charles Babbage"))
    assert await found_titles(ctx, "charles babbage") == ["Looms", "Wheels"]
    assert await found_titles(ctx, "bob") == []
    assert await search_index.check(ctx) == []
    async with ctx.db.transaction():
        await post_transfer.transfer(ctx, bob.require_actor().id, author.require_actor().id)
    assert await found_titles(ctx, "babbage") == []
    assert await found_titles(ctx, "ada") == ["Looms", "Wheels"]
    assert await search_index.check(ctx) == []


async def test_deleted_account_is_not_found_by_its_name(ctx: Context, author: Context) -> None:
    await write(author, "Looms", "They weave.")
    deletion = AccountDeletion(username="ada", current=SecretStr(PASSWORD), posts=PostsOnDeletion.KEEP)
    await account_deletion.delete_account(author, deletion)
    assert await found_titles(ctx, "ada") == []
    assert await found_titles(ctx, "weave") == ["Looms"]
    assert await search_index.check(ctx) == []


async def test_fields_that_others_change_meanwhile_are_indexed(author: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    written = await write(author, "Looms", "They weave.")
    render, others = rendering.render_post_in_thread, [PostChanges(meta_description="A wheel.")]

    async def edit_meanwhile(content: PostContent) -> RenderedPost:
        rendered = await render(content)
        if others:
            await posts.edit(author, written.id, others.pop())
        return rendered

    monkeypatch.setattr(rendering, "render_post_in_thread", edit_meanwhile)
    await posts.edit(author, written.id, PostChanges(tags=["cards"]))
    assert len(await search_marked(author, "wheel cards")) == 1


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
