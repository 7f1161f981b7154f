"""Comments by guests: a setting, always held, marked, and with an address that only moderators see."""

import datetime as dt
import html
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
import sqlalchemy as sa

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.comments import author_comments, comments, guest_comments, moderation_queue, notifications
from blog.domain.comments.guest_comments import ADDRESS_RETENTION
from blog.domain.comments.models import Comment
from blog.domain.comments.moderation_queue import QueueFilter
from blog.domain.core.context import Context
from blog.domain.core.models import NotificationType
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.site import site_preferences
from blog.errors import Forbidden
from blog.schemas.accounts import Role
from blog.schemas.comments import BulkDecision, CommentStatus, Decision, NewComment, NewGuestComment
from blog.schemas.posts import PostChanges
from blog.schemas.site_preferences import PreferencesChanges
from blog.settings import Settings
from tests.conftest import ORIGIN, MakeUser, running
from tests.live.test_endpoints import following, receive, subscribed
from tests.web.conftest import SignIn, Write

OWN = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
FORM = "/posts/on-engines/guest-comment"
GUEST = {"name": "Mary", "email": "Mary@Example.org", "content": "I *agree*."}
NEW = NewGuestComment(name="Mary", email="Mary@Example.org", content="I *agree*.")


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))


@pytest.fixture
async def post(write: Write) -> Post:
    return await write("On engines")


@pytest.fixture
async def allowed(owner: Context) -> None:
    await site_preferences.change(owner, PreferencesChanges(guest_comments=True))


@pytest.fixture
async def client(settings: Settings, allowed: None, post: Post) -> AsyncIterator[httpx2.AsyncClient]:
    """Return an anonymous client of a blog on which guests can comment."""
    async with running(create_app(settings)) as client:
        yield client


async def only_comment(ctx: Context) -> Comment:
    (found,) = await comments_of(ctx)
    return found


async def comments_of(ctx: Context) -> list[Comment]:
    ids = await ctx.db.fetch_all(sa.select(tables.comments.c.id).order_by(tables.comments.c.id))
    editor = ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ora")))
    return [await comments.get(editor, row["id"]) for row in ids]


async def test_guests_cannot_comment_by_default(settings: Settings, ctx: Context, post: Post) -> None:
    async with running(create_app(settings)) as client:
        assert "guest" not in (await client.get("/posts/on-engines")).text
        for answer in (await client.get(FORM), await client.post(FORM, data=GUEST, headers=OWN)):
            assert (answer.status_code, "Only members can comment on this blog." in answer.text) == (403, True)
    with pytest.raises(Forbidden):
        await guest_comments.create(ctx, post.id, NEW)


async def test_comment_of_a_guest_waits_and_is_shown_after_approval(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, served: dict[str, str]
) -> None:
    page = (await client.get("/posts/on-engines")).text
    assert f'or <a href="{FORM}">comment as a guest</a>.' in page
    form = (await client.get(FORM)).text
    assert "Not shown. Only moderators of this blog see it" in form
    sent = await client.post(FORM, data=GUEST | served, headers=OWN)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{FORM}?sent=yes")
    thanks = (await client.get(sent.headers["location"])).text
    assert "Your comment waits for approval." in thanks
    assert "<textarea" not in thanks
    comment = await only_comment(ctx)
    assert (comment.status, comment.reason, comment.guest_name) == (CommentStatus.PENDING, "Comment by a guest", "Mary")
    assert "I <em>agree" not in (await client.get("/posts/on-engines")).text
    await moderation_queue.moderate(owner, BulkDecision(status=Decision.VISIBLE, ids=[comment.id]))
    page = (await client.get("/posts/on-engines")).text
    shown = re.search(r'<span class="comment-author"><bdi>Mary</bdi></span> <span class="role-badge guest">Guest</span>', page)
    assert shown, "the name without a link, and the mark"
    assert "example.org" not in page.lower().split('id="comments"')[1]


async def test_wrong_values_are_named_and_the_text_stays(client: httpx2.AsyncClient, ctx: Context) -> None:
    answer = await client.post(FORM, data={"name": " ", "email": "nonsense", "content": "Long text"}, headers=OWN)
    assert answer.status_code == 422
    assert re.findall(r'id="error-(\w+)"', answer.text) == ["name", "email"]
    assert "Long text</textarea>" in answer.text
    assert await comments_of(ctx) == []


async def test_trap_and_repeated_form(client: httpx2.AsyncClient, ctx: Context, served: dict[str, str]) -> None:
    sent = GUEST | served | {"website": "https://spam.example", "form_key": "k" * 20}
    for _ in range(2):
        assert (await client.post(FORM, data=sent, headers=OWN)).status_code == 303
    assert (await only_comment(ctx)).reason == "Filled in a field that is hidden from people"


async def test_guest_forms_are_limited_by_address(settings: Settings, allowed: None, post: Post) -> None:
    limited = settings.model_copy(update={"rate_limit": "1000/minute", "login_rate_limit_per_address": "2/minute"})
    async with running(create_app(limited)) as client:
        found = [(await client.post(FORM, data=GUEST | {"content": f"Text {n}"}, headers=OWN)).status_code for n in range(3)]
    assert found == [303, 303, 429]


async def test_guest_replies_and_is_replied_to(
    client: httpx2.AsyncClient, ctx: Context, author: Context, owner: Context, post: Post, served: dict[str, str]
) -> None:
    first = await comments.create(author, post.id, NewComment(content="First"))
    redirected = await client.get(f"/comments/{first.id}/reply")
    assert redirected.headers["location"] == f"{FORM}?reply={first.id}"
    form = (await client.get(redirected.headers["location"])).text
    assert "First" in form
    action = re.findall(r'<form class="stacked-form wide" method="post" action="([^"]+)"', form)[0]
    assert (await client.post(html.unescape(action), data=GUEST | served, headers=OWN)).status_code == 303
    reply = (await comments_of(ctx))[1]
    assert reply.parent_id == first.id
    for wrong in ("x", "999", str(reply.id)):
        assert (await client.get(f"{FORM}?reply={wrong}")).status_code == 404
    await moderation_queue.moderate(owner, BulkDecision(status=Decision.VISIBLE, ids=[reply.id]))
    await comments.create(owner, post.id, NewComment(content="Thanks", parent_id=reply.id))
    kinds = [item.notification_type for item in (await notifications.list_page(author)).items]
    assert kinds == [NotificationType.COMMENT, NotificationType.PENDING], "the author hears of guests; guests get no notification"
    assert (await notifications.list_page(author)).items[1].comment == (await comments_of(ctx))[1]


async def test_members_and_closed_posts_have_no_guest_form(
    client: httpx2.AsyncClient, author: Context, post: Post, sign_in: SignIn
) -> None:
    rob = await sign_in("rob", Role.READER)
    redirected = await client.get(FORM, headers=rob)
    assert (redirected.status_code, redirected.headers["location"]) == (303, "/posts/on-engines#comments")
    await posts.edit(author, post.id, PostChanges(comments_open=False))
    assert (await client.get(FORM)).status_code == 403
    assert (await client.post(FORM, data=GUEST, headers=OWN)).status_code == 403


async def test_queue_groups_guests_by_address_and_offers_no_suspension(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, post: Post, sign_in: SignIn
) -> None:
    first = await guest_comments.create(ctx, post.id, NEW)
    await moderation_queue.moderate(owner, BulkDecision(status=Decision.SPAM, ids=[first.id]))
    await guest_comments.create(ctx, post.id, NEW.model_copy(update={"name": "Somebody else"}))
    await guest_comments.create(ctx, post.id, NEW.model_copy(update={"email": "other@example.org"}))
    page = await moderation_queue.list_page(owner)
    assert [item.history.spam if item.history else None for item in page.items] == [0, 1]
    wanted = QueueFilter(person="MARY@example.org")
    assert [item.comment.guest_name for item in (await moderation_queue.list_page(owner, wanted)).items] == ["Somebody else"]
    shown = (await client.get("/moderation", headers=await sign_in("oda", Role.OWNER))).text
    assert "mary@example.org</a>: 0 approved, 0 removed, 1 spam, first comment" in shown
    assert "Suspend" not in shown
    assert "Profile" not in shown
    assert shown.count('<span class="role-badge guest">Guest</span>') == 2


async def test_address_is_in_no_response_of_the_api_and_in_no_event(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, post: Post
) -> None:
    path = f"/api/v1/posts/{post.id}/comments"
    assert (await client.post(path, json={"content": "Hi"})).status_code == 401, "guests comment by the form only"
    async with following(client) as socket:
        await subscribed(socket, "comments")
        comment = await guest_comments.create(ctx, post.id, NEW)
        await moderation_queue.moderate(owner, BulkDecision(status=Decision.VISIBLE, ids=[comment.id]))
        event = await receive(socket)
    assert (event["event"], event["data"]["comment"]["guest"]) == ("comment.created", {"name": "Mary"})
    assert '<span class="role-badge guest">Guest</span>' in event["data"]["html"]
    (listed,) = (await client.get(path)).json()["items"]
    assert (listed["author"], listed["guest"]) == (None, {"name": "Mary"})
    stored = [dict(row) for row in await ctx.db.fetch_all(sa.select(tables.events))]
    for text in (json.dumps(event), json.dumps(listed), str(stored)):
        assert "example.org" not in text.lower()


async def test_address_is_erased_after_its_time(ctx: Context, owner: Context, allowed: None, post: Post) -> None:
    await guest_comments.create(ctx, post.id, NEW)
    assert (await only_comment(ctx)).guest_email == "mary@example.org"
    for age, erased in ((ADDRESS_RETENTION, 0), (ADDRESS_RETENTION + dt.timedelta(days=1), 1)):
        assert await guest_comments.erase_old_addresses(replace(ctx, now=ctx.now + age)) == erased
    comment = await only_comment(ctx)
    assert (comment.guest_email, comment.guest_name, comment.content) == (None, "Mary", "I *agree*.")
    assert (await moderation_queue.list_page(owner)).items[0].history is None


async def test_removed_comment_of_a_guest_keeps_its_place_without_a_name(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, post: Post
) -> None:
    comment = await guest_comments.create(ctx, post.id, NEW)
    await moderation_queue.moderate(owner, BulkDecision(status=Decision.VISIBLE, ids=[comment.id]))
    await comments.create(owner, post.id, NewComment(content="Answer", parent_id=comment.id))
    await comments.remove(owner, comment.id)
    removed, _answer = (await client.get(f"/api/v1/posts/{post.id}/comments")).json()["items"]
    assert (removed["author"], removed["guest"], removed["content"]) == (None, None, "")


async def test_comments_of_a_guest_are_erased_on_request(
    client: httpx2.AsyncClient, ctx: Context, owner: Context, post: Post
) -> None:
    first, other = [
        await guest_comments.create(ctx, post.id, new) for new in (NEW, NEW.model_copy(update={"email": "e@example.org"}))
    ]
    await moderation_queue.moderate(owner, BulkDecision(status=Decision.VISIBLE, ids=[first.id, other.id]))
    await comments.create(owner, post.id, NewComment(content="Answer", parent_id=first.id))
    assert await author_comments.erase_guest(ctx, "mary@EXAMPLE.org") == 1
    erased, kept, answer = await comments_of(ctx)
    assert (erased.status, erased.content, erased.html, erased.guest_name, erased.guest_email) == (
        CommentStatus.REMOVED, "", "", "Erased", None,
    )  # fmt: skip
    assert (kept.guest_email, answer.content) == ("e@example.org", "Answer")
    assert (await client.get(f"/api/v1/posts/{post.id}")).json()["comments"] == 2
    assert await author_comments.erase_guest(ctx, "mary@example.org") == 0


async def test_owner_allows_guests_on_the_page_of_the_site(settings: Settings, ctx: Context, sign_in: SignIn) -> None:
    oda = await sign_in("oda", Role.OWNER)
    async with running(create_app(settings)) as client:
        page = (await client.get("/admin/site", headers=oda)).text
        fields = dict(re.findall(r'<input id="field-(\w+)" name="\w+" type="\w+" value="([^"]*)"', page))
        choices = {"language": "en", "time_zone": "UTC", "navigation": "", "blocked_words": "", "guest_comments": "true"}
        saved = await client.post("/admin/site", data=fields | choices, headers=oda)
        assert saved.status_code == 303, saved.text
        assert re.search(r'id="field-guest_comments"[^>]* checked', (await client.get("/admin/site", headers=oda)).text)
