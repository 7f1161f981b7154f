"""The publication date of a post, which its authors and editors may set: an earlier date moves the post in lists."""

import datetime as dt
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import history, post_lists, posts, revisions
from blog.errors import Forbidden, InvalidInput
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.conftest import Bearer, MakeUser

OLD = dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
LATER = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)


async def test_new_post_with_an_old_date(author: Context) -> None:
    recent = await posts.create(author, NewPost(title="Recent", content="x"))
    old = await posts.create(author, NewPost(title="Old", content="x", published_at=OLD))
    assert (old.status, old.published_at, old.created_at, old.updated_at) == (PostStatus.PUBLISHED, OLD, author.now, author.now)
    assert [entry.slug for entry in await post_lists.archive(author)] == [recent.slug, old.slug]
    listed = sa.select(tables.post_authors.c.listed_at).where(tables.post_authors.c.post_id == old.id)
    assert await author.db.fetch_val(listed) == OLD


async def test_changed_date_moves_a_post(author: Context) -> None:
    first, second = [await posts.create(author, NewPost(title=title, content="x", tags=["t"])) for title in ("A", "B")]
    later = replace(author, now=author.now + dt.timedelta(hours=1))
    after = await posts.edit(later, second.id, PostChanges(published_at=OLD))
    assert (after.published_at, after.updated_at, after.version) == (OLD, later.now, 2)
    assert [entry.slug for entry in await post_lists.archive(author)] == [first.slug, second.slug]
    for links in (tables.post_tags, tables.post_authors):
        query = sa.select(links.c.post_id).order_by(links.c.listed_at)
        assert [row[0] for row in await author.db.fetch_all(query)] == [second.id, first.id]


@pytest.mark.parametrize(("members", "message"), [
    ({"published_at": LATER}, "The publication date is in the future"),
    ({"published_at": OLD, "status": "draft"}, "Only a published post has a publication date"),
    ({"published_at": OLD, "status": "scheduled", "publish_at": LATER}, "Only a published post has a publication date"),
    ({"published_at": OLD, "publish_at": LATER}, "Only a published post has a publication date"),
])  # fmt: skip
async def test_dates_that_contradict_the_status(author: Context, members: dict[str, Any], message: str) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    for attempt in (
        posts.create(author, NewPost(title="A", content="x", **members)),
        posts.replace(author, post.id, NewPost(title="A", content="x", **{"status": "published"} | members)),
    ):
        with pytest.raises(InvalidInput, match=message if "publish_at" not in members else "publication"):
            await attempt
    assert (await posts.get(author, post.id)).version == 1


async def test_drafts_and_scheduled_posts_keep_their_state(author: Context) -> None:
    draft = await posts.create(author, NewPost(title="A", content="x", status=PostStatus.DRAFT))
    scheduled = await posts.create(author, NewPost(title="B", content="x", publish_at=LATER))
    for post in (draft, scheduled):
        with pytest.raises(InvalidInput, match="Only a published post has a publication date"):
            await posts.edit(author, post.id, PostChanges(published_at=OLD))
        assert (await posts.edit(author, post.id, PostChanges(published_at=None))).status is post.status
    published = await posts.edit(author, draft.id, PostChanges(status=PostStatus.PUBLISHED, published_at=OLD))
    assert published.published_at == OLD


async def test_the_first_date_stays(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x", published_at=OLD))
    for changes in (
        PostChanges(published_at=None),
        PostChanges(status=PostStatus.DRAFT),
        PostChanges(title="B"),
        PostChanges(status=PostStatus.PUBLISHED),
    ):
        assert (await posts.edit(author, post.id, changes)).published_at == OLD
    assert (await posts.replace(author, post.id, NewPost(title="C", content="x"))).published_at == OLD


async def test_versions_show_the_date_and_a_restore_keeps_it(author: Context) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    await posts.edit(author, post.id, PostChanges(title="B", published_at=OLD))
    assert (await history.list_page(author, post.id)).items[0].changed_fields == ["title", "publication date"]
    restored = (await revisions.restore(author, post.id, 1)).post
    assert (restored.title, restored.published_at) == ("A", OLD)


async def test_only_authors_and_editors_change_the_date(author: Context, make_user: MakeUser) -> None:
    post = await posts.create(author, NewPost(title="A", content="x"))
    bob, eve = [
        author.acting_as(accounts.as_actor(await make_user(name, role)))
        for name, role in (("bob", Role.AUTHOR), ("eve", Role.EDITOR))
    ]
    with pytest.raises(Forbidden):
        await posts.edit(bob, post.id, PostChanges(published_at=OLD))
    assert (await posts.edit(eve, post.id, PostChanges(published_at=OLD))).published_at == OLD


async def test_api_feeds_and_sitemap(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    recent, old = [
        (await client.post("/api/v1/posts", json={"title": title, "content": "x"}, headers=headers)).json()
        for title in ("Recent", "Old")
    ]
    path = f"/api/v1/posts/{old['id']}"
    assert [item["title"] for item in (await client.get("/feed.json")).json()["items"]] == ["Old", "Recent"]
    sent = {"published_at": "2001-02-03T05:05:06+01:00"}
    assert (await client.patch(path, json=sent, headers=headers)).json()["published_at"] == "2001-02-03T04:05:06Z"
    assert (await client.get(f"{path}/revisions/2", headers=headers)).json()["published_at"] == "2001-02-03T04:05:06Z"
    refused = await client.patch(path, json={"published_at": "2099-01-01T00:00:00Z"}, headers=headers)
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "published_at"])
    assert [post["id"] for post in (await client.get("/api/v1/posts")).json()["items"]] == [recent["id"], old["id"]]
    item = (await client.get("/feed.json")).json()["items"][1]
    assert (item["title"], item["date_published"]) == ("Old", "2001-02-03T04:05:06Z")
    assert item["date_modified"] > item["date_published"]
    assert "<published>2001-02-03T04:05:06Z</published>" in (await client.get("/feed.atom")).text
    page = (await client.get("/posts/old")).text
    assert '<meta property="article:published_time" content="2001-02-03T04:05:06Z">' in page
    assert '"datePublished": "2001-02-03T04:05:06Z"' in page
    assert "2001" in (await client.get("/archive")).text
