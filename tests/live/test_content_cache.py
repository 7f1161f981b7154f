"""Contents of live events are rendered once for each version, and are never older than the post or comment that they show."""

import datetime as dt
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from blog.app import create_app
from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.framework.request.state import AppState
from blog.framework.templating.templating import Templates
from blog.realtime import Hub
from blog.realtime.content_cache import Content, ContentCache
from blog.realtime.rendered_events import RenderedEvent
from blog.schemas.accounts import AccountChanges, Role
from blog.schemas.comments import CommentChanges, NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.settings import Settings
from tests.conftest import MakeUser

pytestmark = pytest.mark.sqlite  # it is about memory; test_joining covers PostgreSQL

LINKS = "hush " + " ".join(f"<https://{number}.example>" for number in range(4))


@pytest.fixture
async def hub(settings: Settings) -> AsyncIterator[Hub]:
    """The hub of an application that caches contents; nothing follows the log but `catch_up`."""
    app = create_app(settings.model_copy(update={"max_cache_bytes": 1_000_000}))
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        app_state: AppState = state["app_state"]
        made = Hub(app_state)
        made.position = await events.position(app_state.site.db)
        yield made


@pytest.fixture
def renders(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """The number of times that each template was rendered."""
    counted, render = Counter[str](), Templates.render

    def counting(self: Templates, name: str, **values: Any) -> str:
        counted[name] += 1
        return render(self, name, **values)

    monkeypatch.setattr(Templates, "render", counting)
    return counted


async def rendered(hub: Hub, *, with_articles: bool = True) -> Sequence[RenderedEvent]:
    """All visible events of the log."""
    latest = await hub.catch_up()
    return await hub.renderer.render(latest.epoch, range(1, latest.id + 1), with_articles=with_articles)


def later(ctx: Context) -> Context:
    return replace(ctx, now=ctx.now + dt.timedelta(seconds=1))


def data(event: RenderedEvent, channel: str = "posts") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event.to_message([channel]))["data"]
    return found


async def test_version_is_rendered_once_for_all_events_and_replays(hub: Hub, author: Context, renders: Counter[str]) -> None:
    post = await posts.create(author, NewPost(title="A title", content="text"))
    await posts.edit(author, post.id, PostChanges(content="text, *again*"))
    first = await rendered(hub)
    assert [event.event.event_type for event in first] == ["post.published", "post.updated"]
    assert data(first[0]) == data(first[1])
    assert "again" in data(first[0], f"post:{post.id}")["html"]
    assert renders == {"posts/_card.html": 1, "posts/_article.html": 1}
    assert [event.to_message(["posts"]) for event in await rendered(hub)] == [event.to_message(["posts"]) for event in first]
    assert renders == {"posts/_card.html": 1, "posts/_article.html": 1}


async def test_article_is_rendered_only_for_clients_that_follow_the_post(
    hub: Hub, author: Context, renders: Counter[str]
) -> None:
    post = await posts.create(author, NewPost(title="A title", content="text"))
    (card,) = await rendered(hub, with_articles=False)
    assert 'class="card"' in data(card)["html"]
    assert renders == {"posts/_card.html": 1}
    (article,) = await rendered(hub)
    assert 'class="post"' in data(article, f"post:{post.id}")["html"]
    assert data(article) == data(card)
    assert (await rendered(hub, with_articles=False))[0].content is (await rendered(hub))[0].content
    assert renders == {"posts/_card.html": 2, "posts/_article.html": 1}


async def test_change_makes_a_new_version(hub: Hub, author: Context, renders: Counter[str]) -> None:
    post = await posts.create(author, NewPost(title="Before", content="text"))
    await rendered(hub)
    await posts.edit(author, post.id, PostChanges(title="After"))
    assert {data(event)["post"]["title"] for event in await rendered(hub)} == {"After"}
    comment = await comments.create(author, post.id, NewComment(content="Well said."))
    assert "1 comment" in data((await rendered(hub))[0])["html"]
    await comments.edit(later(author), comment.id, CommentChanges(content="Better said."))
    last = (await rendered(hub))[-1]
    assert "Better said." in data(last)["html"]
    assert renders == {"posts/_card.html": 3, "posts/_article.html": 3, "comments/_comment.html": 2}


async def test_new_name_of_a_member_clears_the_cache(hub: Hub, author: Context) -> None:
    await posts.create(author, NewPost(title="A title", content="text"))
    await rendered(hub)
    await accounts.change(author, AccountChanges(name="Ada Lovelace"))
    assert "Ada Lovelace" in data((await rendered(hub))[0])["html"]


async def test_hidden_content_is_not_returned_from_the_cache(
    hub: Hub, author: Context, ctx: Context, make_user: MakeUser
) -> None:
    post = await posts.create(author, NewPost(title="A title", content="secret"))
    reader = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    comment = await comments.create(reader, post.id, NewComment(content="hush, visible"))
    assert len(await rendered(hub)) == 2
    await comments.edit(later(reader), comment.id, CommentChanges(content=LINKS))
    shown = [event.event.event_type for event in await rendered(hub) if "hush" in event.to_message(["moderation"])]
    assert shown == ["comment.held"], "its removal for readers has no text"
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    left = await rendered(hub)
    assert [event.event.event_type for event in left] == ["post.unpublished"]
    assert "secret" not in left[0].to_message(["posts"])


def content(size: int) -> Content:
    return Content(b"x" * size)


def test_size_is_bounded_and_the_least_used_content_is_evicted() -> None:
    cache = ContentCache(10 * content(10_000).size)
    for number in range(30):
        cache.store(number, content(10_000), cache.generation)
        assert cache.find(0) is not None
    assert cache.size == 10 * content(10_000).size
    assert [number for number in range(30) if cache.find(number)] == [0, *range(21, 30)]
    cache.store("too large", content(1_000_000), cache.generation)
    assert (cache.find("too large"), cache.size) == (None, 0)


def test_content_that_was_read_before_a_clear_is_not_stored() -> None:
    cache = ContentCache(100_000)
    before = cache.generation
    cache.clear()
    cache.store("stale", content(10), before)
    assert cache.find("stale") is None
    cache.store("fresh", content(10), cache.generation)
    assert cache.find("fresh") == content(10)


def test_clients_with_ids_of_their_own_use_no_memory() -> None:
    event = events.Event(1, events.EventType.POST_DELETED, dt.datetime.now(dt.UTC), "test", ("posts",), 1, None, {})
    made = RenderedEvent(event, "e.1", Content(b'"post":{}'))
    for number in range(100):
        assert json.loads(made.to_message(["posts"], [f"own {number}"]))["ids"] == [f"own {number}"]
    assert len(made._variants) == 16
