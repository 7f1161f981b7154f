"""Moderation: the rules, the queue, and the visibility and events of pending comments."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.comments import comments, moderation_queue, moderation_rules
from blog.domain.comments.models import Comment
from blog.domain.comments.moderation_queue import PersonHistory, QueueFilter
from blog.domain.comments.moderation_rules import AuthorHistory, hold_reason, normalise_words
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.domain.read_models import post as read_models_post
from blog.domain.site import site_preferences
from blog.errors import Forbidden, NotFound
from blog.schemas.accounts import Role
from blog.schemas.comments import BulkDecision, CommentChanges, CommentStatus, Decision, NewComment
from blog.schemas.posts import NewPost
from blog.schemas.site_preferences import Preferences, PreferencesChanges
from blog.text.markdown import render_comment
from tests.conftest import MakeUser

KNOWN, NEW = AuthorHistory(has_approved_comment=True, recent_count=0), AuthorHistory(has_approved_comment=False, recent_count=0)
LINKS = " ".join(f"<https://{number}.example>" for number in range(4))


@pytest.mark.parametrize(
    ("rules", "content", "history", "reason"),
    [
        ({}, "Well said.", NEW, None),
        ({"hold_first_comment": True}, "Well said.", NEW, "First comment by this author"),
        ({"hold_first_comment": True}, "Well said.", KNOWN, None),
        ({}, "Well said.", AuthorHistory(has_approved_comment=True, recent_count=4), None),
        ({}, "Well said.", AuthorHistory(has_approved_comment=True, recent_count=5),
         "More than 5 comments by this author within 60 seconds"),
        ({}, LINKS, KNOWN, "Contains 4 links (limit 3)"),
        ({"max_links": 4}, LINKS, KNOWN, None),
        ({"max_links": 0}, "[a](https://a.example)", KNOWN, "Contains 1 link (limit 0)"),
        ({"max_links": 0}, "`https://a.example` and <a href=b>", KNOWN, None),
        ({"blocked_words": ["Casino"]}, "Visit my CASINO!", KNOWN, "Contains “Casino”"),
        ({"blocked_words": ["casino"]}, "Casinos and encasinoed", KNOWN, None),
        ({"blocked_words": ["casino"]}, "cas*i*no", KNOWN, "Contains “casino”"),
        ({"blocked_words": ["casino"]}, "cas\u200bino, ca\u00adsino", KNOWN, "Contains “casino”"),
        ({"blocked_words": ["casino"]}, "ＣＡＳＩＮＯ", KNOWN, "Contains “casino”"),
        ({"blocked_words": ["casino"]}, "[here](https://casino.example)", KNOWN, "Contains “casino”"),
        ({"blocked_words": ["STRASSE"]}, "eine Straße", KNOWN, "Contains “STRASSE”"),
        ({"blocked_words": ["café"]}, "cafe\u0301", KNOWN, "Contains “café”"),
        ({"blocked_words": ["cafe"]}, "café", KNOWN, None),
        ({"blocked_words": ["क"]}, "कि", KNOWN, None),
        ({"blocked_words": ["ΟΔΟΣ"]}, "οδος", KNOWN, "Contains “ΟΔΟΣ”"),
        ({"blocked_words": ["big offer"]}, "A big\noffer", KNOWN, "Contains “big offer”"),
        ({"blocked_words": ["big offer"]}, "big, bigger offer", KNOWN, None),
        ({"blocked_words": ["💰"]}, "free💰💰", KNOWN, "Contains “💰”"),
        ({}, "Well said.", AuthorHistory(has_approved_comment=True, recent_count=0, has_spam=True),
         "An earlier comment by this author is marked as spam"),
        ({"blocked_words": ["", " ", "..."]}, "Nothing is in this... is it?", KNOWN, None),
    ],
)  # fmt: skip
def test_rules(rules: dict[str, Any], content: str, history: AuthorHistory, reason: str | None) -> None:
    text = moderation_rules.analyse(content, render_comment(content))
    assert hold_reason(Preferences.model_validate(rules), text, history) == reason


def test_words_are_normalised() -> None:
    assert normalise_words("Ｂig, 'big' OFFER_s ❤️") == " big big offer s ❤ "


@pytest.fixture
async def post(author: Context) -> Post:
    return await posts.create(author, NewPost(title="On engines", content="text"))


People = dict[str, Context]


@pytest.fixture
async def people(ctx: Context, make_user: MakeUser) -> People:
    """Contexts by name."""
    roles = {"rob": Role.READER, "eve": Role.AUTHOR, "edo": Role.EDITOR, "ora": Role.OWNER}
    made = {name: ctx.acting_as(accounts.as_actor(await make_user(name, role))) for name, role in roles.items()}
    await site_preferences.change(made["ora"], PreferencesChanges(hold_first_comment=True))
    return made


async def add_comment(ctx: Context, post: Post, text: str = "Hello.", *, spam_reason: str | None = None) -> Comment:
    return await comments.create(ctx, post.id, NewComment(content=text), spam_reason=spam_reason)


async def comment_events(ctx: Context) -> list[tuple[str, list[str]]]:
    """Return type and channels of the events about comments, without personal channels."""
    events = tables.events.c
    rows = await ctx.db.fetch_all(
        sa.select(events.type, events.channels).where(events.comment_id.is_not(None)).order_by(events.id)
    )
    return [(row["type"], [channel for channel in row["channels"] if not channel.startswith("me:")]) for row in rows]


async def test_first_comment_is_held_and_later_comments_pass_after_its_approval(ctx: Context, people: People, post: Post) -> None:
    rob, edo = people["rob"], people["edo"]
    first = await add_comment(rob, post)
    assert (first.status, first.reason) == (CommentStatus.PENDING, "First comment by this author")
    assert (await add_comment(rob, post)).status is CommentStatus.PENDING
    assert (await posts.get(ctx, post.id)).comment_count == 0
    approved = await comments.edit(edo, first.id, CommentChanges(status=Decision.VISIBLE))
    assert (approved.status, approved.reason) == (CommentStatus.VISIBLE, None)
    assert (await posts.get(ctx, post.id)).comment_count == 1
    assert (await add_comment(rob, post)).status is CommentStatus.VISIBLE
    channel = f"post:{post.id}"
    assert await comment_events(ctx) == [
        ("comment.held", ["moderation"]),
        ("comment.held", ["moderation"]),
        ("comment.created", ["comments", channel, "moderation"]),
        ("comment.created", ["comments", channel]),
    ]


async def test_comments_of_moderators_are_never_held(author: Context, people: People, post: Post) -> None:
    for writer in (author, people["edo"], people["ora"]):
        assert (await add_comment(writer, post, LINKS, spam_reason="It looks odd")).status is CommentStatus.VISIBLE
    assert (await add_comment(people["eve"], post)).status is CommentStatus.PENDING, "an author elsewhere is a guest here"


async def test_sixth_comment_within_a_minute_is_held(ctx: Context, make_user: MakeUser, post: Post) -> None:
    rob = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    for _ in range(5):
        assert (await add_comment(rob, post)).status is CommentStatus.VISIBLE
    assert (await add_comment(rob, post)).status is CommentStatus.PENDING
    later = dataclasses.replace(rob, now=rob.now + dt.timedelta(seconds=61))
    assert (await add_comment(later, post)).status is CommentStatus.VISIBLE


async def test_pending_comment_is_visible_to_its_author_and_moderators_only(
    ctx: Context, author: Context, people: People, post: Post
) -> None:
    waiting = await add_comment(people["rob"], post)
    sees = {}
    for name, one in (people | {"ada": author, "nobody": ctx}).items():
        listed = [comment.id for comment in (await comments.list_page(one, post, limit=9)).items]
        try:
            sees[name] = (await comments.get(one, waiting.id)).id in listed
        except NotFound:
            assert listed == [], name
            sees[name] = False
    assert sees == {"rob": True, "eve": False, "edo": True, "ora": True, "ada": True, "nobody": False}
    assert (await comments.by_user(people["edo"], people["rob"].require_actor().id, limit=9)).items == []


async def test_comment_removed_while_held_keeps_its_reason_for_moderators(ctx: Context, people: People, post: Post) -> None:
    waiting = await add_comment(people["rob"], post)
    await comments.remove(people["edo"], waiting.id)
    gone = await comments.get(people["edo"], waiting.id)
    assert gone.reason == "Removed by edo. First comment by this author"
    assert await comment_events(ctx) == [("comment.held", ["moderation"]), ("comment.removed", ["moderation"])]


async def test_edited_comment_that_breaks_the_rules_is_held(ctx: Context, author: Context, people: People, post: Post) -> None:
    rob = people["rob"]
    first = await add_comment(rob, post)
    await comments.edit(people["edo"], first.id, CommentChanges(status=Decision.VISIBLE))
    await comments.create(author, post.id, NewComment(content="Indeed.", parent_id=first.id))
    changed = await comments.edit(rob, first.id, CommentChanges(content=LINKS))
    assert (changed.status, changed.reason) == (CommentStatus.PENDING, "Contains 4 links (limit 3)")
    assert (await posts.get(ctx, post.id)).comment_count == 1
    assert (await comment_events(ctx))[-2:] == [
        ("comment.removed", ["comments", f"post:{post.id}"]),
        ("comment.held", ["moderation"]),
    ]
    again = await comments.edit(rob, first.id, CommentChanges(content="Sorry."))
    assert again.status is CommentStatus.PENDING, "a moderator lets it pass, not another text"
    (thread,) = (await read_models_post.read(ctx, post.slug)).threads
    assert (thread.comment.status, thread.comment.html, thread.comment.author) == (CommentStatus.REMOVED, "", "")
    assert [reply.comment.content for reply in thread.replies] == ["Indeed."]


async def test_comment_can_be_edited_for_a_limited_time(ctx: Context, people: People, post: Post) -> None:
    written = await add_comment(people["edo"], post)
    late = dataclasses.replace(people["edo"], now=ctx.now + dt.timedelta(minutes=61))
    with pytest.raises(Forbidden, match="could be edited until"):
        await comments.edit(late, written.id, CommentChanges(content="Changed."))
    await site_preferences.change(people["ora"], PreferencesChanges(comment_edit_minutes=90))
    assert (await comments.edit(late, written.id, CommentChanges(content="Changed."))).content == "Changed."
    await site_preferences.change(people["ora"], PreferencesChanges(comment_edit_minutes=0))
    with pytest.raises(Forbidden, match="cannot be edited on this blog"):
        await comments.edit(people["edo"], written.id, CommentChanges(content="Again."))
    await comments.remove(late, written.id)


async def test_queue_is_newest_first_paged_and_limited_to_own_permissions(author: Context, people: People, post: Post) -> None:
    other = await posts.create(people["eve"], NewPost(title="Elsewhere", content="text"))
    waiting = [(await add_comment(people["rob"], where)).id for where in (post, other, post)]
    first = await moderation_queue.list_page(people["edo"], QueueFilter(limit=2))
    rest = await moderation_queue.list_page(people["edo"], QueueFilter(limit=2, after=first.next))
    assert [case.comment.id for page in (first, rest) for case in page.items] == waiting[::-1]
    assert rest.next is None
    mine = await moderation_queue.list_page(author)
    assert [case.comment.id for case in mine.items] == [waiting[2], waiting[0]]
    assert {case.post.title for case in mine.items} == {"On engines"}
    with pytest.raises(Forbidden):
        await moderation_queue.list_page(people["rob"])
    await posts.delete(author, post.id)
    assert [case.comment.id for case in (await moderation_queue.list_page(people["edo"])).items] == [waiting[1]]


async def test_spam_is_hidden_counted_and_holds_later_comments(ctx: Context, author: Context, people: People, post: Post) -> None:
    rob, edo = people["rob"], people["edo"]
    first = await add_comment(rob, post)
    await comments.edit(edo, first.id, CommentChanges(status=Decision.VISIBLE))
    assert (await add_comment(rob, post)).status is CommentStatus.VISIBLE
    spam = await comments.edit(author, first.id, CommentChanges(status=Decision.SPAM))
    assert (spam.status, spam.reason) == (CommentStatus.SPAM, "Marked as spam by ada")
    assert (await posts.get(ctx, post.id)).comment_count == 1
    assert (await comment_events(ctx))[-1] == ("comment.removed", ["comments", f"post:{post.id}"])
    with pytest.raises(NotFound):
        await comments.get(rob, first.id)
    held = await add_comment(rob, post)
    assert (held.status, held.reason) == (CommentStatus.PENDING, "An earlier comment by this author is marked as spam")
    (queued,) = (await moderation_queue.list_page(edo)).items
    assert queued.history == PersonHistory(ctx.now, approved=1, removed=0, spam=1)
    before = len(await comment_events(ctx))
    await comments.edit(edo, first.id, CommentChanges(status=Decision.REMOVED))
    assert len(await comment_events(ctx)) == before, "readers see no difference"
    await comments.edit(edo, held.id, CommentChanges(status=Decision.SPAM))
    assert (await comment_events(ctx))[-1] == ("comment.removed", ["moderation"])
    await comments.edit(edo, held.id, CommentChanges(status=Decision.VISIBLE))
    assert (await comment_events(ctx))[-1] == ("comment.created", ["comments", f"post:{post.id}"])


async def test_bulk_decision_is_atomic(ctx: Context, author: Context, people: People, post: Post) -> None:
    other = await posts.create(people["eve"], NewPost(title="Elsewhere", content="text"))
    here, there = [[(await add_comment(people["rob"], where)).id for _ in range(2)] for where in (post, other)]
    with pytest.raises(Forbidden):
        await moderation_queue.moderate(author, BulkDecision(status=Decision.VISIBLE, ids=here + there))
    assert (await posts.get(ctx, post.id)).comment_count == 0
    assert await moderation_queue.moderate(people["edo"], BulkDecision(status=Decision.VISIBLE, ids=[*here, *there, 999])) == 4
    assert [(await posts.get(ctx, number)).comment_count for number in (post.id, other.id)] == [2, 2]
    assert await moderation_queue.moderate(people["edo"], BulkDecision(status=Decision.VISIBLE, ids=here)) == 0, "nothing to do"
    assert await moderation_queue.moderate(author, BulkDecision(status=Decision.REMOVED, ids=here)) == 2
    assert [(await posts.get(ctx, number)).comment_count for number in (post.id, other.id)] == [0, 2]
    names = [name for name, _ in await comment_events(ctx)]
    assert names == ["comment.held"] * 4 + ["comment.created"] * 4 + ["comment.removed"] * 2


async def test_number_of_statements_does_not_grow_with_the_decisions(people: People, post: Post) -> None:
    counts = []
    for number in (1, 5):
        ids = [(await add_comment(people["rob"], post)).id for _ in range(number)]
        seen: list[str] = []
        people["edo"].db.on_query.append(seen.append)
        await moderation_queue.moderate(people["edo"], BulkDecision(status=Decision.REMOVED, ids=ids))
        people["edo"].db.on_query.remove(seen.append)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 15
