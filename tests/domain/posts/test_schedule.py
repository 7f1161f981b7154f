"""Scheduled posts are published once by any number of workers, also after a time without a server."""

import datetime as dt
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from blog.db.compiled_queries import BoundQuery
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts, scheduling
from blog.domain.posts.models import Post
from blog.errors import Unavailable
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from tests.support.serving import blog, free_port, run_sql, serving, wait_until_up


def scheduled(title: str, at: dt.datetime) -> NewPost:
    return NewPost(title=title, content="x", status=PostStatus.SCHEDULED, publish_at=at)


async def test_failing_post_does_not_delay_the_others(author: Context, ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    at = author.now + dt.timedelta(hours=1)
    made = [await posts.create(author, scheduled(f"Post {number}", at)) for number in range(3)]
    original = events.post_event

    def fail(ctx: Context, event_type: events.EventType, post: Post, before: Post | None = None) -> BoundQuery:
        if post.id == made[0].id:
            raise Unavailable("the disk is full")
        return original(ctx, event_type, post, before)

    late = replace(ctx, now=at)
    with monkeypatch.context() as patch:
        patch.setattr("blog.domain.core.events.post_event", fail)
        with pytest.raises(Unavailable):
            await scheduling.publish_due(late)
    assert [(await posts.get(author, post.id)).status for post in made] == ["scheduled", "published", "published"]
    assert await scheduling.publish_due(late) == 1
    assert [event.post_id for event in await events.after(ctx.db, 0)] == [made[1].id, made[2].id, made[0].id]


async def test_deleted_and_unscheduled_posts_are_not_published(author: Context, ctx: Context) -> None:
    at = author.now + dt.timedelta(hours=1)
    gone, draft = [await posts.create(author, scheduled(f"Post {number}", at)) for number in range(2)]
    await posts.delete(author, gone.id)
    await posts.edit(author, draft.id, PostChanges(status=PostStatus.DRAFT))
    late = replace(ctx, now=at + dt.timedelta(hours=1))
    assert await scheduling.publish_due(late) == 0
    await posts.undelete(replace(author, now=late.now), gone.id)
    assert await scheduling.publish_due(late) == 1, "it comes back as it was: waiting for a time that has passed"
    assert [event.post_id for event in await events.after(ctx.db, 0)] == [gone.id]


def wait_for_published(home: Path, number: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if run_sql(home, "SELECT count(*) FROM posts WHERE status = 'published'")[0][0] >= number:
            return
        time.sleep(0.05)  # between two looks
    raise AssertionError("the posts were not published")


def let_time_pass(home: Path, condition: str) -> None:
    """Move publication times to the past, so that the test does not wait."""
    run_sql(home, f"UPDATE posts SET publish_at = '2020-01-01 10:00:00.000000' WHERE {condition}")  # noqa: S608


def test_three_workers_publish_each_post_once_and_overdue_posts_at_the_next_start(home: Path) -> None:
    blog(home, "user", "create", "ada", "ada@example.org", "--role", "author")
    headers = {"Authorization": f"Bearer {blog(home, 'token', 'create', 'ada').stdout.strip()}"}
    port, new = free_port(), {"content": "x", "status": "scheduled", "publish_at": "2100-01-01T10:00:00Z"}
    with serving(home, port, "--workers", "3", RATE_LIMIT="off") as (process, _log):
        wait_until_up(port, process)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=30) as client:
            for number in range(20):
                client.post("/posts", json=new | {"title": f"Post {number}"}).raise_for_status()
        let_time_pass(home, "id <= 10")
        wait_for_published(home, 10)
    let_time_pass(home, "status = 'scheduled'")
    with serving(home, port, "--workers", "3", RATE_LIMIT="off") as (process, log):
        wait_until_up(port, process)
        wait_for_published(home, 20)
    assert "Traceback" not in log.read_text()
    published = run_sql(
        home, "SELECT post_id, count(*) FROM events WHERE type = 'post.published' GROUP BY post_id ORDER BY post_id"
    )
    assert published == [(post_id, 1) for post_id in range(1, 21)]
    versions = run_sql(home, "SELECT version, count(*) FROM revisions GROUP BY version ORDER BY version")
    assert versions == [(1, 20), (2, 20)]
    at = {str(moment)[:19] for (moment,) in run_sql(home, "SELECT published_at FROM posts")}
    assert at == {"2020-01-01 10:00:00"}, "published at the time that was promised"
