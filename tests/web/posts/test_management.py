"""Lists of all posts: filters in the URL, and changes of several posts, without JavaScript."""

import html
import re

import httpx2
import pytest

from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts
from blog.domain.posts.post_filter import PostFilter
from blog.schemas.accounts import Role
from blog.schemas.posts import PostStatus
from tests.support import matching
from tests.web.conftest import SignIn, Write


def titles(page: str) -> list[str]:
    return re.findall(r'<(?:a href="/posts/[^"]+"|span) dir="auto">([^<]+)</(?:a|span)>\s*<span class="row-actions">', page)


@pytest.fixture
async def editor(sign_in: SignIn, write: Write) -> dict[str, str]:
    """Return the headers of an editor of a blog with posts by ada."""
    await write("Looms", tags=["craft"], age=3)
    await write("Engines", tags=["craft", "maths"], age=2)
    await write("Not yet", status=PostStatus.DRAFT, age=1)
    return await sign_in("edo", Role.EDITOR)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Not yet", "Engines", "Looms"]),
        ("?status=&author=&tag=&since=&until=&q=&sort=-published_at", ["Not yet", "Engines", "Looms"]),
        ("?status=draft", ["Not yet"]),
        ("?status=published&sort=title", ["Engines", "Looms"]),
        ("?tag=MATHS", ["Engines"]),
        ("?author=ada&q=loom", ["Looms"]),
        ("?author=nobody", []),
        ("?status=deleted", []),
        ("?since=2000-01-01&until=2000-01-02", []),
    ],
)
async def test_filters(client: httpx2.AsyncClient, editor: dict[str, str], query: str, found: list[str]) -> None:
    answer = await client.get(f"/admin/posts{query}", headers=editor)
    assert answer.status_code == 200
    assert titles(answer.text) == found
    assert ("<table" in answer.text) == bool(found)


async def test_days_are_included(client: httpx2.AsyncClient, editor: dict[str, str], ctx: Context) -> None:
    page = await post_lists.list_page(ctx, PostFilter())
    day = next(post.published_at for post in page.items if post.title == "Looms")
    assert day is not None
    answer = await client.get(f"/admin/posts?since={day.date()}&until={day.date()}", headers=editor)
    assert titles(answer.text) == ["Looms"]


@pytest.mark.parametrize("query", ["since=yesterday", "sort=colour", "status=lost", "since=2026-05-02&until=2026-05-01", "x=1"])
async def test_invalid_filter_is_shown_again(client: httpx2.AsyncClient, editor: dict[str, str], query: str) -> None:
    answer = await client.get(f"/admin/posts?{query}", headers=editor)
    assert answer.status_code == 422
    assert "Please fix the filters" in answer.text


@pytest.mark.parametrize("value", ["yesterday", "abc", "2026-13-01", "2026-05-01T09:00", "1" * 30])
async def test_invalid_date_has_an_example(client: httpx2.AsyncClient, editor: dict[str, str], value: str) -> None:
    answer = await client.get(f"/admin/posts?since={value}", headers=editor)
    assert answer.status_code == 422
    assert "From: Enter a date, such as 2026-05-01" in answer.text


async def test_pages_keep_the_filters_and_cursors_are_bound_to_them(
    client: httpx2.AsyncClient, sign_in: SignIn, write: Write
) -> None:
    for number in range(30):
        await write(f"Post {number}", tags=["a"], age=number)
    editor = await sign_in("edo", Role.EDITOR)
    first = await client.get("/admin/posts?tag=a&status=", headers=editor)
    following = html.unescape(matching.search(r'<a rel="next" href="([^"]+)"', first.text)[1])
    second = await client.get(following, headers=editor)
    assert titles(first.text) + titles(second.text) == [f"Post {number}" for number in range(30)]
    assert (await client.get(following.replace("tag=a", "tag=b"), headers=editor)).status_code == 422


async def test_lists_are_for_editors_and_for_authors_their_own(client: httpx2.AsyncClient, sign_in: SignIn, write: Write) -> None:
    await write("By ada")
    eve, rob = await sign_in("eve"), await sign_in("rob", Role.READER)
    owner = await sign_in("ora", Role.OWNER)
    for path, headers, status, found in [
        ("/admin/posts", eve, 403, []),
        ("/dashboard/posts", eve, 200, []),
        ("/admin/posts", rob, 403, []),
        ("/dashboard/posts", rob, 403, []),
        ("/admin/posts", owner, 200, ["By ada"]),
        ("/dashboard/posts", owner, 200, []),
        ("/admin/posts", {}, 303, []),
    ]:
        answer = await client.get(path, headers=headers)
        assert (answer.status_code, titles(answer.text)) == (status, found), path
    assert (await client.post("/admin/posts", data={"action": "delete"}, headers=eve)).status_code == 403


async def test_selected_posts_are_changed_after_a_confirmation(
    client: httpx2.AsyncClient, editor: dict[str, str], ctx: Context
) -> None:
    page = (await client.get("/admin/posts?sort=title", headers=editor)).text
    boxes = re.findall(r'name="(post-\d+)"', page)
    assert len(boxes) == 3
    data = {"scope": "selected", "action": "add-tag", "tag": "read <this>", **dict.fromkeys(boxes[:2], "on")}
    asked = await client.post("/admin/posts?sort=title", data=data, headers=editor)
    assert asked.status_code == 200
    assert "Add the tag “read &lt;this&gt;” to 2 posts?" in asked.text
    assert re.findall(r"<li><bdi>([^<]+)</bdi>", asked.text) == ["Engines", "Looms"]
    assert (await posts.get_by_slug(ctx, "looms")).tags == ("craft",), "nothing has changed yet"
    fields = {name: html.unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text)}
    done = await client.post("/admin/posts?sort=title", data=fields, headers=editor)
    assert "Added the tag “read &lt;this&gt;” to 2 posts" in done.text
    assert 'href="/admin/posts?sort=title"' in done.text
    assert (await posts.get_by_slug(ctx, "looms")).tags == ("craft", "read <this>")
    again = await client.post("/admin/posts?sort=title", data=fields, headers=editor)
    assert "0 posts changed, 2 posts already were as requested." in again.text


async def test_all_matching_posts_are_changed(client: httpx2.AsyncClient, sign_in: SignIn, write: Write) -> None:
    for number in range(30):
        await write(f"Post {number}", tags=["a"] if number % 2 else ["b"])
    editor = await sign_in("edo", Role.EDITOR)
    data = {"scope": "matching", "action": "unpublish"}
    asked = await client.post("/admin/posts?tag=a", data=data, headers=editor)
    assert "Unpublish 15 posts?" in asked.text
    ids = matching.search(r'name="ids" value="([\d,]+)"', asked.text)[1]
    done = await client.post("/admin/posts?tag=a", data={"action": "unpublish", "ids": ids}, headers=editor)
    assert "Unpublished 15 posts" in done.text
    assert len(titles((await client.get("/admin/posts?status=draft", headers=editor)).text)) == 15


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"action": "publish", "scope": "selected"}, "Select at least one post"),
        ({"action": "publish", "ids": "x"}, "Select at least one post"),
        ({"action": "add-tag", "post-1": "on"}, "Enter the tag to add or remove"),
        ({"action": "add-tag", "post-1": "on", "tag": "a,b"}, "Remove the comma"),
        ({"action": "set-author", "post-1": "on"}, "Enter the username of the new author"),
        ({"action": "set-author", "post-1": "on", "author": "nobody"}, "Not an author on this blog: nobody."),
        ({"action": "burn", "post-1": "on"}, "Choose one of these"),
    ],
)
async def test_invalid_change_is_shown_again_with_the_selection(
    client: httpx2.AsyncClient, editor: dict[str, str], data: dict[str, str], message: str
) -> None:
    answer = await client.post("/admin/posts", data=data, headers=editor)
    assert answer.status_code == 422
    assert message in answer.text
    assert ("checked" in answer.text) == ("post-1" in data)


async def test_trash_offers_restore(client: httpx2.AsyncClient, editor: dict[str, str], ctx: Context, author: Context) -> None:
    post = await posts.get_by_slug(ctx, "looms")
    await posts.delete(author, post.id)
    page = await client.get("/admin/posts?status=deleted", headers=editor)
    assert titles(page.text) == ["Looms"]
    assert f'formaction="/posts/{post.id}/undelete"' in page.text
    assert re.findall(r'<option value="([\w-]+)"', page.text.partition("field-action")[2]) == ["restore"]
    assert (await client.post(f"/posts/{post.id}/undelete", data={f"post-{post.id}": "on"}, headers=editor)).status_code == 303
    assert (await posts.get_by_slug(ctx, "looms")).title == "Looms"
