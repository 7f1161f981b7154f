"""The moderation page, the spam trap of the comment form, and pending comments on the page of a post."""

import datetime as dt
import re
from dataclasses import replace

import httpx2
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.comments import comments, moderation_queue
from blog.domain.core.context import Context
from blog.domain.core.signing import Purpose
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.errors import Forbidden
from blog.framework.request.forms import Form
from blog.schemas.accounts import Role
from blog.schemas.comments import BulkDecision, Decision, NewComment
from blog.schemas.posts import NewPost
from blog.web.rendering import spam_trap
from tests.conftest import MakeUser
from tests.support import matching
from tests.web.conftest import SignIn, Write

PATH = "/posts/on-engines/comments"


@pytest.fixture
async def post(write: Write) -> Post:
    return await write("On engines")


@pytest.fixture
async def rob(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))


async def held(rob: Context, post: Post, text: str = "Buy this.") -> int:
    return (await comments.create(rob, post.id, NewComment(content=text), spam_reason="It looks odd")).id


async def statuses(ctx: Context) -> list[str]:
    rows = await ctx.db.fetch_all(sa.select(tables.comments.c.status).order_by(tables.comments.c.id))
    return [row["status"] for row in rows]


async def reasons(ctx: Context) -> list[str | None]:
    rows = await ctx.db.fetch_all(sa.select(tables.comments.c.moderation_note).order_by(tables.comments.c.id))
    return [row["moderation_note"] for row in rows]


def served(ctx: Context, seconds: float) -> dict[str, str]:
    return {
        spam_trap.TIMESTAMP_FIELD: spam_trap.timestamp_token(replace(ctx, now=ctx.now - dt.timedelta(seconds=seconds)), Form())
    }


def queued_ids(page: httpx2.Response) -> list[str]:
    return re.findall(r'name="comment-(\d+)"', page.text)


@pytest.mark.parametrize(
    ("seconds", "more", "reason"),
    [
        (20, {}, None),
        (86_000, {}, None),
        (-5, {}, "Submitted suspiciously fast"),
        (90_000, {}, "Submitted more than a day after the form was opened"),
        (20, {"website": "https://a.example"}, "Filled in a field that is hidden from people"),
        (20, {"loaded_at": ""}, "Not sent with a form of this blog"),
        (20, {"loaded_at": "nonsense"}, "Not sent with a form of this blog"),
    ],
)
async def test_suspicious_form_holds_the_comment_and_keeps_its_text(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn, seconds: int, more: dict[str, str], reason: str | None
) -> None:
    rob = await sign_in("rob", Role.READER)
    answer = await client.post(PATH, data={"content": "Hello."} | served(ctx, seconds) | more, headers=rob)
    assert answer.status_code == 303
    assert await reasons(ctx) == [reason]
    assert await statuses(ctx) == ["pending" if reason else "visible"]
    mine = (await client.get("/posts/on-engines", headers=rob)).text
    assert "Hello." in mine
    assert ("Awaiting moderation" in mine) == bool(reason)
    assert ("Hello." in (await client.get("/posts/on-engines")).text) == (reason is None)


async def test_timestamp_token_of_another_purpose_is_invalid(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn
) -> None:
    forged = ctx.site.signer.sign(Purpose.PREVIEW_LINK, [0])
    sent = {"content": "Hello.", "loaded_at": forged}
    assert (await client.post(PATH, data=sent, headers=await sign_in("rob", Role.READER))).status_code == 303
    assert await reasons(ctx) == ["Not sent with a form of this blog"]


async def test_invalid_form_keeps_its_first_timestamp(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn
) -> None:
    rob = await sign_in("rob", Role.READER)
    then = served(ctx, 20)
    refused = await client.post(PATH, data={"content": ""} | then, headers=rob)
    assert refused.status_code == 422
    assert f'name="loaded_at" value="{then["loaded_at"]}"' in refused.text
    await client.post(PATH, data={"content": "Hello."} | then, headers=rob)
    assert await statuses(ctx) == ["visible"]


async def test_honeypot_field_is_hidden(client: httpx2.AsyncClient, post: Post, sign_in: SignIn) -> None:
    page = (await client.get("/posts/on-engines", headers=await sign_in("rob", Role.READER))).text
    decoy = matching.search(r'<div class="honeypot" aria-hidden="true">(.*?)</div>', page, re.DOTALL)[1]
    assert re.search(r'<input [^>]*name="website"[^>]*tabindex="-1"[^>]*autocomplete="off"', decoy)
    assert 'name="loaded_at"' not in (await client.get("/posts/on-engines")).text, "strangers get no form"


async def test_comments_of_moderators_are_never_held(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn
) -> None:
    await client.post(PATH, data={"content": "Hello."}, headers=await sign_in("edo", Role.EDITOR))
    assert await statuses(ctx) == ["visible"]


async def test_moderation_page_needs_the_permission(
    client: httpx2.AsyncClient, rob: Context, post: Post, sign_in: SignIn
) -> None:
    waiting = await held(rob, post)
    assert (await client.get("/moderation")).headers["location"] == "/login?next=%2Fmoderation"
    assert (await client.post("/moderation", data={"status": "visible"})).status_code == 401
    zed = await sign_in("zed", Role.READER)
    assert (await client.get("/moderation", headers=zed)).status_code == 403
    assert (await client.post("/moderation", data={"status": "visible"}, headers=zed)).status_code == 403
    assert queued_ids(await client.get("/moderation", headers=await sign_in("edo", Role.EDITOR))) == [str(waiting)]
    eve = await sign_in("eve")
    assert queued_ids(await client.get("/moderation", headers=eve)) == []
    forged = {"status": "visible", f"comment-{waiting}": "on"}
    assert (await client.post("/moderation", data=forged, headers=eve)).status_code == 403


async def test_queue_shows_comment_author_post_and_reason(
    client: httpx2.AsyncClient, rob: Context, post: Post, sign_in: SignIn
) -> None:
    await held(rob, post, "Buy *this*.")
    page = (await client.get("/moderation", headers=await sign_in("edo", Role.EDITOR))).text
    assert "Buy <em>this</em>." in page
    assert '<p class="queue-reason">It looks odd.</p>' in page
    assert '<a href="/posts/on-engines" dir="auto">On engines</a>' in page
    assert 'href="/authors/rob"' in page
    assert re.search(r'Moderation <span class="badge">1<span class="visually-hidden"> pending</span>', page)


async def test_chosen_comments_are_approved_and_removed(
    client: httpx2.AsyncClient, ctx: Context, rob: Context, post: Post, sign_in: SignIn
) -> None:
    ids = [await held(rob, post, f"Number {number}.") for number in range(4)]
    edo = await sign_in("edo", Role.EDITOR)
    approve = {"status": "visible", f"comment-{ids[0]}": "on", f"comment-{ids[2]}": "on"}
    answer = await client.post("/moderation", data=approve, headers=edo)
    assert answer.status_code == 303
    assert await statuses(ctx) == ["visible", "pending", "visible", "pending"]
    page = await client.get(answer.headers["location"], headers=edo)
    assert "2 comments approved." in page.text
    assert queued_ids(page) == [str(ids[3]), str(ids[1])], "newest first"
    answer = await client.post("/moderation", data={"status": "removed", f"comment-{ids[1]}": "on"}, headers=edo)
    assert "1 comment removed." in (await client.get(answer.headers["location"], headers=edo)).text
    assert await statuses(ctx) == ["visible", "removed", "visible", "pending"]
    removed = await client.get("/moderation?status=removed", headers=edo)
    assert queued_ids(removed) == [str(ids[1])]
    assert "Removed by edo. It looks odd." in removed.text
    back = {"status": "visible", f"comment-{ids[1]}": "on"}
    answer = await client.post("/moderation?status=removed", data=back, headers=edo)
    assert answer.headers["location"].startswith("/moderation?status=removed&")
    assert await statuses(ctx) == ["visible", "visible", "visible", "pending"]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"status": "visible"}, "Choose at least one comment"),
        ({"status": "pending", "comment-1": "on"}, "Choose one of these"),
        ({"comment-1": "on"}, "Choose one of these"),
        ({"status": "visible", "comment-x": "on"}, "Enter a whole number"),
    ],
)
async def test_form_without_a_selection_is_refused(
    client: httpx2.AsyncClient, ctx: Context, rob: Context, post: Post, sign_in: SignIn, sent: dict[str, str], message: str
) -> None:
    await held(rob, post)
    answer = await client.post("/moderation", data=sent, headers=await sign_in("edo", Role.EDITOR))
    assert answer.status_code == 422
    assert message in answer.text
    assert queued_ids(answer) == ["1"]
    assert ('name="comment-1" value="on" checked' in answer.text) == ("comment-1" in sent)
    assert await statuses(ctx) == ["pending"]


async def test_queue_is_paged(
    client: httpx2.AsyncClient, rob: Context, post: Post, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moderation_queue, "PAGE_SIZE", 2)
    ids = [str(await held(rob, post)) for _ in range(3)]
    edo = await sign_in("edo", Role.EDITOR)
    first = await client.get("/moderation", headers=edo)
    rest = await client.get(matching.search(r'rel="next" href="([^"]+)"', first.text)[1].replace("&amp;", "&"), headers=edo)
    assert (queued_ids(first), queued_ids(rest)) == (ids[:0:-1], ids[:1])
    assert (await client.get("/moderation?cursor=nonsense", headers=edo)).status_code == 422


async def test_button_of_a_row_decides_about_this_comment_alone(
    client: httpx2.AsyncClient, ctx: Context, rob: Context, post: Post, sign_in: SignIn
) -> None:
    ids = [await held(rob, post, f"Number {number}.") for number in range(4)]
    edo = await sign_in("edo", Role.EDITOR)
    for comment_id, decision in zip(ids, ("visible", "removed", "spam"), strict=False):
        sent = {"row": f"{decision}-{comment_id}", f"comment-{ids[3]}": "on"}
        answer = await client.post("/moderation?q=number", data=sent, headers=edo)
        assert answer.headers["location"] == f"/moderation?status=pending&q=number&decided={decision}&comments=1"
    assert await statuses(ctx) == ["visible", "removed", "spam", "pending"]
    page = (await client.get("/moderation?status=spam", headers=edo)).text
    assert "Marked as spam by edo. It looks odd." in page
    assert "rob</a>: 1 approved, 1 removed, 1 spam, member since" in page
    assert "Suspend" not in page
    owner_page = (await client.get("/moderation?status=spam", headers=await sign_in("ora", Role.OWNER))).text
    assert f'href="/admin/members/{rob.require_actor().id}#suspension">Suspend' in owner_page
    for wrong in ("", "spam", "spam-x", "pending-1", "odd-1", "-"):
        assert (await client.post("/moderation", data={"row": wrong}, headers=edo)).status_code == 422


async def test_queue_is_filtered_by_post_person_and_text(
    client: httpx2.AsyncClient, ctx: Context, rob: Context, post: Post, write: Write, make_user: MakeUser, sign_in: SignIn
) -> None:
    other = await write("Elsewhere")
    eve = ctx.acting_as(accounts.as_actor(await make_user("eve", Role.READER)))
    ids = [await held(rob, post, "Buy 100% wool"), await held(eve, post, "Nice"), await held(rob, other, "buy silk")]
    edo = await sign_in("edo", Role.EDITOR)

    async def found(query: str) -> list[int]:
        return [int(item) for item in queued_ids(await client.get(f"/moderation?{query}", headers=edo))]

    assert await found("post=on-engines") == [ids[1], ids[0]]
    assert await found("person=ROB") == [ids[2], ids[0]]
    assert await found("q=BUY") == [ids[2], ids[0]]
    assert await found("q=0%25") == [ids[0]]
    assert await found("q=buy&post=elsewhere&person=rob") == [ids[2]]
    assert await found("status=visible") == []
    assert "No matching comments." in (await client.get("/moderation?person=nobody", headers=edo)).text


async def test_spam_is_a_removed_comment_for_readers(
    client: httpx2.AsyncClient, rob: Context, author: Context, post: Post
) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Rash words."))
    await comments.create(author, post.id, NewComment(content="No harm.", parent_id=first.id))
    await moderation_queue.moderate(author, BulkDecision(status=Decision.SPAM, ids=[first.id]))
    page = (await client.get("/posts/on-engines")).text
    assert "This comment was removed." in page
    assert "Rash words." not in page
    listed = (await client.get(f"/api/v1/posts/{post.id}/comments")).json()["items"]
    assert [(item["status"], item["content"]) for item in listed] == [("removed", ""), ("visible", "No harm.")]


@pytest.mark.parametrize(("query", "words"), [
    ("", "Nothing to review."), ("?status=removed", "No removed comments."), ("?status=spam", "No spam."),
])  # fmt: skip
async def test_empty_queue_has_a_message(client: httpx2.AsyncClient, sign_in: SignIn, query: str, words: str) -> None:
    assert words in (await client.get(f"/moderation{query}", headers=await sign_in("edo", Role.EDITOR))).text


@pytest.mark.parametrize("query", ["decided=visible", "decided=visible&comments=x", "decided=x&comments=1", "comments=1"])
async def test_invalid_query_is_not_echoed(client: httpx2.AsyncClient, sign_in: SignIn, query: str) -> None:
    answer = await client.get(f"/moderation?{query}", headers=await sign_in("edo", Role.EDITOR))
    assert answer.status_code == 200
    assert 'role="status"' not in answer.text


async def test_post_page_offers_to_approve(
    client: httpx2.AsyncClient, ctx: Context, rob: Context, post: Post, sign_in: SignIn
) -> None:
    waiting = await held(rob, post)
    edo = await sign_in("edo", Role.EDITOR)
    page = (await client.get("/posts/on-engines", headers=edo)).text
    assert f'action="/comments/{waiting}/restore"><button class="as-link">Approve' in page
    assert f'href="/comments/{waiting}/reply"' not in page
    answer = await client.post(f"/comments/{waiting}/restore", headers=edo)
    assert answer.headers["location"] == f"/posts/on-engines#comment-{waiting}"
    assert await statuses(ctx) == ["visible"]


async def test_reply_form_does_not_show_hidden_text(
    client: httpx2.AsyncClient, ctx: Context, author: Context, rob: Context, post: Post
) -> None:
    first = await comments.create(rob, post.id, NewComment(content="Rash words."))
    await comments.create(author, post.id, NewComment(content="No harm.", parent_id=first.id))
    await ctx.db.execute(tables.comments.update().where(tables.comments.c.id == first.id).values(status="pending"))
    page = (await client.get("/posts/on-engines")).text
    assert "No harm." in page
    assert "Rash words." not in page
    assert 'href="/authors/rob"' not in page


async def test_edit_is_offered_and_accepted_for_an_hour(
    client: httpx2.AsyncClient, ctx: Context, post: Post, sign_in: SignIn
) -> None:
    edo = await sign_in("edo", Role.EDITOR)
    await client.post(PATH, data={"content": "Hello."}, headers=edo)
    form = (await client.get("/comments/1/edit", headers=edo)).text
    assert re.search(r"You can edit it until \d\d:\d\d UTC on", form)
    assert "/comments/1/edit" in (await client.get("/posts/on-engines", headers=edo)).text
    await ctx.db.execute(tables.comments.update().values(created_at=ctx.now - dt.timedelta(hours=2)))
    page = (await client.get("/posts/on-engines", headers=edo)).text
    assert "/comments/1/edit" not in page
    assert "/comments/1/remove" in page
    late = await client.get("/comments/1/edit", headers=edo)
    assert (late.status_code, "could be edited until" in late.text) == (403, True)
    sent = await client.post("/comments/1/edit", data={"content": "Too late."}, headers=edo)
    assert (sent.status_code, "could be edited until" in sent.text) == (403, True)
    assert "Too late." in sent.text, "nothing typed is lost"


async def test_comments_close_some_days_after_the_publication(
    client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn, served: dict[str, str]
) -> None:
    old, new = await write("Old", age=31), await write("New", age=29)
    ora = await sign_in("ora", Role.OWNER)
    owner = ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))
    assert "Comments are closed." not in (await client.get("/posts/old", headers=ora)).text, "off at first"
    assert (await client.post("/admin/site", data={"close_comments_days": "30"}, headers=ora)).status_code == 303
    await ctx.site.runtime_settings.refresh(ctx.db)
    assert "Comments are closed." in (await client.get("/posts/old", headers=ora)).text
    assert "Comments are closed." not in (await client.get("/posts/new", headers=ora)).text
    answer = await client.post("/posts/old/comments", data={"content": "Late."} | served, headers=ora)
    assert (answer.status_code, "Comments on this post are closed" in answer.text) == (403, True)
    with pytest.raises(Forbidden):
        await comments.create(owner, old.id, NewComment(content="Late."))
    assert (await comments.create(owner, new.id, NewComment(content="In time."))).id


async def test_closed_post_says_so_and_the_form_changes_it(
    client: httpx2.AsyncClient, ctx: Context, author: Context, sign_in: SignIn, served: dict[str, str]
) -> None:
    edo = await sign_in("edo", Role.EDITOR)
    written = {"title": "On engines", "content": "Text", "status": "published"}
    # As browsers send it: the hidden field, and the box behind it when it is checked.
    await client.post("/write", data=written | {"comments_open": "false"}, headers=edo)
    page = (await client.get("/posts/on-engines", headers=edo)).text
    assert "Comments are closed." in page
    assert "<textarea" not in page
    answer = await client.post(PATH, data={"content": "Hello."} | served, headers=edo)
    assert (answer.status_code, "Comments on this post are closed" in answer.text) == (403, True)
    assert ">\nHello.</textarea>" in answer.text, "it was closed while this was typed"
    form = (await client.get("/posts/on-engines/edit", headers=edo)).text
    box = matching.search(r'<input type="checkbox"[^>]*name="comments_open"[^>]*>', form)[0]
    assert "checked" not in box
    sent = written | {"version": "1", "comments_open": ["false", "true"]}
    assert (await client.post("/posts/on-engines/edit", data=sent, headers=edo)).status_code == 303
    assert (await posts.get_by_slug(ctx, "on-engines")).comments_open is True
    assert "Your comment" in (await client.get("/posts/on-engines", headers=edo)).text
    assert re.search(r'name="comments_open"[^>]* checked>', (await client.get("/posts/on-engines/edit", headers=edo)).text)


async def test_reply_to_a_comment_on_a_closed_post_is_refused(
    client: httpx2.AsyncClient, author: Context, sign_in: SignIn
) -> None:
    post = await posts.create(author, NewPost(title="On engines", content="x"))
    first = await comments.create(author, post.id, NewComment(content="First."))
    await author.db.execute(tables.posts.update().values(comments_open=False))
    assert (await client.get(f"/comments/{first.id}/reply", headers=await sign_in("rob"))).status_code == 403
