"""The comment forms."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.comments.models import Comment
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts.models import Post
from blog.domain.read_models import post as read_models_post
from blog.schemas.accounts import AccountChanges, Role
from blog.schemas.comments import CommentStatus, NewComment
from blog.schemas.posts import PostStatus
from tests.conftest import MakeUser
from tests.support import matching
from tests.web.conftest import SignIn, Write


@pytest.fixture
async def post(write: Write) -> Post:
    return await write("On engines")


async def rows(ctx: Context) -> Sequence[Any]:
    return await ctx.db.fetch_all(sa.select(tables.comments).order_by(tables.comments.c.id))


async def test_comment_is_created_and_shown(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    bob = await sign_in("bob", Role.READER)
    answer = await client.post("/posts/on-engines/comments", data={"content": "Well *said*."} | served, headers=bob)
    comment = (await rows(ctx))[0]
    assert (answer.status_code, answer.headers["location"]) == (303, f"/posts/on-engines#comment-{comment['id']}")
    page = (await client.get("/posts/on-engines")).text
    assert "Well <em>said</em>." in page
    assert f'<article class="comment" id="comment-{comment["id"]}">' in page
    assert '<span id="comments-count">1 comment</span>' in page


@pytest.mark.parametrize(("typed", "message"), [("  ", "Fill this in"), ("x" * 10_001, "Use at most 10000 characters")])
async def test_invalid_comment_is_shown_below_the_post(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn, typed: str, message: str
) -> None:
    answer = await client.post("/posts/on-engines/comments", data={"content": typed}, headers=await sign_in("bob"))
    assert answer.status_code == 422
    assert f'id="error-content">{message}</p>' in answer.text
    assert f">\n{typed}</textarea>" in answer.text
    assert '<h1 dir="auto">On engines</h1>' in answer.text
    assert await rows(ctx) == []


async def test_anonymous_comment_survives_the_sign_in(client: httpx2.AsyncClient, ctx: Context, post: Post) -> None:
    page = (await client.get("/posts/on-engines")).text
    assert '<a href="/login?next=%2Fposts%2Fon-engines">Sign in</a> to comment' in page
    assert "<textarea" not in page
    answer = await client.post("/posts/on-engines/comments", data={"content": "Typed"})
    assert answer.status_code == 401
    assert ">\nTyped</textarea>" in answer.text
    assert sign_in_links(answer) == {"/login?next=%2Fposts%2Fon-engines%23comments"}
    assert await rows(ctx) == []


def sign_in_links(answer: httpx2.Response) -> set[str]:
    return set(re.findall(r'href="(/login[^"]*)"', answer.text))


async def test_sign_in_links_lead_back_to_the_form(
    client: httpx2.AsyncClient, author: Context, post: Post, served: dict[str, str]
) -> None:
    comment = await comments.create(author, post.id, NewComment(content="First."))
    reply, sent = f"/comments/{comment.id}/reply", {"content": "Typed"} | served
    pages = {reply: reply, "/posts/on-engines/edit": "/posts/on-engines/edit"}
    pages |= {"/posts/on-engines/edit/preview": "/posts/on-engines/edit", "/write/preview": "/write", "/write": "/write"}
    for path, page in pages.items():
        answer = await client.post(path, data=sent)
        assert sign_in_links(answer) == {f"/login?next={quote(page, safe='')}"}, path
    answer = await client.post(f"/comments/{comment.id}/restore", data=sent)
    assert (answer.status_code, sign_in_links(answer)) == (401, {"/login"}), "this path has no page"


async def test_pages_for_signing_in_pass_on_where_to_return(client: httpx2.AsyncClient, author: Context) -> None:
    for path in ("/login", "/register"):
        for answer in (
            await client.get(path, params={"next": "/write"}),
            await client.post(path, data={"username": "ada", "password": "wrong", "next": "/write"}),
        ):
            assert sign_in_links(answer) == {"/login?next=%2Fwrite"}, answer.status_code
    answer = await client.get("/login-help")
    assert (answer.status_code, sign_in_links(answer)) == (404, {"/login?next=%2Flogin-help"})


async def test_draft_refuses_comments(client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn) -> None:
    await write("Secret", status=PostStatus.DRAFT)
    sent = {"content": "Hm."}
    assert (await client.post("/posts/secret/comments", data=sent, headers=await sign_in("bob"))).status_code == 404
    assert (await client.post("/posts/secret/comments", data=sent, headers=await sign_in("eve", Role.EDITOR))).status_code == 403
    assert await rows(ctx) == []


async def test_hostile_comment_is_sanitised(
    client: httpx2.AsyncClient, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    sent = {"content": "<script>alert(1)</script> [x](javascript:alert(2)) <img src=x onerror=alert(3)>"}
    await client.post("/posts/on-engines/comments", data=sent | served, headers=await sign_in("bob"))
    page = (await client.get("/posts/on-engines")).text
    assert "<script>" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "&lt;script&gt;" in page


async def test_reply_is_shown_below_its_parent(
    client: httpx2.AsyncClient, ctx: Context, author: Context, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    first = await comments.create(author, post.id, NewComment(content="First."))
    await comments.create(author, post.id, NewComment(content="Second."))
    bob = await sign_in("bob", Role.READER)
    form = await client.get(f"/comments/{first.id}/reply", headers=bob)
    assert "First." in form.text
    answer = await client.post(f"/comments/{first.id}/reply", data={"content": "Answer."} | served, headers=bob)
    assert answer.status_code == 303
    assert (await rows(ctx))[2]["parent_id"] == first.id
    page = (await client.get("/posts/on-engines")).text
    assert page.index("First.") < page.index('<ol class="replies">') < page.index("Answer.") < page.index("Second.")


async def test_reply_needs_a_session_and_a_text(client: httpx2.AsyncClient, author: Context, post: Post, sign_in: SignIn) -> None:
    first = await comments.create(author, post.id, NewComment(content="First."))
    path = f"/comments/{first.id}/reply"
    assert (await client.get(path)).headers["location"] == f"/login?next=%2Fcomments%2F{first.id}%2Freply"
    assert (await client.post(path, data={"content": ""}, headers=await sign_in("bob"))).status_code == 422


async def test_author_edits_a_comment_and_others_cannot(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    bob, eve = await sign_in("bob", Role.READER), await sign_in("eve", Role.EDITOR)
    await client.post("/posts/on-engines/comments", data={"content": "Frist."} | served, headers=bob)
    comment = (await rows(ctx))[0]
    path = f"/comments/{comment['id']}/edit"
    assert ">\nFrist.</textarea>" in (await client.get(path, headers=bob)).text
    assert (await client.get(path, headers=eve)).status_code == 403
    assert (await client.post(path, data={"content": "Eve's."}, headers=eve)).status_code == 403
    assert (await client.post(path, data={"content": ""}, headers=bob)).status_code == 422
    assert (await client.post(path, data={"content": "First."}, headers=bob)).status_code == 303
    assert (await rows(ctx))[0]["content"] == "First."
    assert '<span class="comment-edited">edited</span>' in (await client.get("/posts/on-engines")).text


async def test_comment_actions_are_shown_with_permission(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    bob = await sign_in("bob", Role.READER)
    await client.post("/posts/on-engines/comments", data={"content": "First."} | served, headers=bob)
    comment = (await rows(ctx))[0]["id"]
    people = [
        ({}, set()),
        (bob, {"edit", "remove"}),
        (await sign_in("eve", Role.EDITOR), {"remove"}),
        (await sign_in("cat"), set()),
    ]
    for headers, offered in people:
        page = (await client.get("/posts/on-engines", headers=headers)).text
        assert set(re.findall(rf"/comments/{comment}/(edit|remove|restore)", page)) == offered


async def test_removed_comment_with_replies_leaves_a_note(
    client: httpx2.AsyncClient, ctx: Context, author: Context, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    bob, eve = await sign_in("bob", Role.READER), await sign_in("eve", Role.EDITOR)
    await client.post("/posts/on-engines/comments", data={"content": "Rash words."} | served, headers=bob)
    comment = (await rows(ctx))[0]["id"]
    await comments.create(author, post.id, NewComment(content="No harm done.", parent_id=comment))
    cat = await sign_in("cat")
    for method in ("GET", "POST"):
        assert (await client.request(method, f"/comments/{comment}/remove", headers=cat)).status_code == 403
    assert (await client.get(f"/comments/{comment}/remove")).headers["location"].startswith("/login?")
    assert "Rash words." in (await client.get(f"/comments/{comment}/remove", headers=bob)).text
    answer = await client.post(f"/comments/{comment}/remove", headers=bob)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines#comments")
    for headers in ({}, bob, eve):
        page = (await client.get("/posts/on-engines", headers=headers)).text
        shown = matching.search(rf'<article class="comment removed" id="comment-{comment}">(.*?)</article>', page, re.DOTALL)[1]
        assert re.sub(r"<[^>]*>", "", shown).strip() == "This comment was removed."
        assert "Rash words." not in page
        assert "No harm done." in page


async def test_moderator_restores_a_comment(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn, served: dict[str, str]
) -> None:
    bob, eve = await sign_in("bob", Role.READER), await sign_in("eve", Role.EDITOR)
    await client.post("/posts/on-engines/comments", data={"content": "Rash words."} | served, headers=bob)
    comment = (await rows(ctx))[0]["id"]
    await client.post(f"/comments/{comment}/remove", headers=eve)
    assert "This comment was removed" not in re.sub("<template.*?</template>", "", (await client.get("/posts/on-engines")).text)
    assert (await client.post(f"/comments/{comment}/restore", headers=bob)).status_code == 404
    assert (await client.post(f"/comments/{comment}/restore", headers=eve)).status_code == 303
    assert "Rash words." in (await client.get("/posts/on-engines")).text


async def test_long_discussions_are_paged(
    client: httpx2.AsyncClient, author: Context, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_models_post, "COMMENTS_PER_PAGE", 2)
    first = await comments.create(author, post.id, NewComment(content="Comment one"))
    for text in ("Comment two", "Comment three"):
        await comments.create(author, post.id, NewComment(content=text, parent_id=first.id))
    page = (await client.get("/posts/on-engines")).text
    assert "Comment three" not in page
    more = (await client.get(matching.search(r'<a rel="next" href="([^"]+)"', page)[1])).text
    assert "Comment three" in more
    assert "Comment two" not in more
    assert "Comment one" in more, "what is answered stands above the answer"


MOMENT = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def comment(number: int, parent: int | None) -> Comment:
    return Comment(
        number, 1, parent, 1, "ada", "Ada", None, Role.AUTHOR, "text", "<p>text</p>", CommentStatus.VISIBLE, MOMENT, MOMENT
    )


def test_threads_nest_to_a_limit_and_keep_every_comment() -> None:
    chain = [comment(number, number - 1 or None) for number in range(1, 500)]
    threads, depths = read_models_post.build_threads(chain), []
    while threads:
        depths.append(len(threads))
        threads = threads[0].replies
    assert depths == [1, 1, 1, 496]
    assert len(depths) == read_models_post.MAX_REPLY_DEPTH + 1


def test_reply_to_an_unknown_comment_is_shown_at_the_top_level() -> None:
    threads = read_models_post.build_threads([comment(7, 3), comment(5, None)])
    assert [thread.comment.id for thread in threads] == [5, 7]


async def test_author_of_a_comment_is_shown_with_username_and_role(
    client: httpx2.AsyncClient, ctx: Context, post: Post, make_user: MakeUser
) -> None:
    for username, role in (("rob", Role.READER), ("ann", Role.AUTHOR), ("eve", Role.EDITOR), ("olga", Role.OWNER)):
        context = ctx.acting_as(accounts.as_actor(await make_user(username, role)))
        await accounts.change(context, AccountChanges(name=f"{username.title()} Kim"))
        await comments.create(context, post.id, NewComment(content=f"By {username}"))
    page = (await client.get("/posts/on-engines")).text
    shown = re.findall(r'<a class="comment-author".*?</a>(.*?)\n', page)
    assert [re.sub("<[^>]+>", "", text).split() for text in shown] == [
        ["@rob"], ["@ann", "Author"], ["@eve", "Editor"], ["@olga", "Owner"]
    ]  # fmt: skip
    listed = (await client.get(f"/api/v1/posts/{post.id}/comments")).json()["items"]
    assert listed[0]["author"] == {"username": "rob", "name": "Rob Kim", "avatar": None, "badge": None}
    assert [item["author"]["badge"] for item in listed] == [None, "author", "editor", "owner"]


async def test_badge_follows_the_role_and_name_equal_to_the_username_is_shown_once(
    client: httpx2.AsyncClient, ctx: Context, post: Post, make_user: MakeUser
) -> None:
    rob = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    await comments.create(rob, post.id, NewComment(content="Well."))
    page = (await client.get("/posts/on-engines")).text
    assert ("@rob" in page, "role-badge" in page) == (False, False)
    before = await events.position(ctx.db)
    await accounts.set_role(ctx, "rob", Role.EDITOR)
    assert '<span class="role-badge">Editor</span>' in (await client.get("/posts/on-engines")).text
    assert (await events.position(ctx.db)).id > before.id  # cached pages are rendered again
