"""Preview links: access to a draft without an account, for a limited time."""

import datetime as dt
from dataclasses import replace

import pytest

from blog.domain.accounts import accounts
from blog.domain.core.context import Context, Site
from blog.domain.core.signing import Purpose
from blog.domain.posts import posts, preview_links
from blog.domain.posts.models import Post
from blog.errors import Conflict, Forbidden, NotAuthenticated, NotFound
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.schemas.preview_links import Lifetime, NewPreviewLink
from tests.conftest import MakeUser

WEEK = NewPreviewLink(lifetime=Lifetime.WEEK)


@pytest.fixture
async def draft(author: Context) -> Post:
    return await posts.create(author, NewPost(title="Draft", content="x", status=PostStatus.DRAFT))


def after(ctx: Context, **time: float) -> Context:
    return replace(ctx, now=ctx.now + dt.timedelta(**time))


async def test_preview_shows_the_current_draft_without_an_account(author: Context, ctx: Context, draft: Post) -> None:
    await preview_links.create(author, draft.id, WEEK)
    (link,) = await preview_links.list_valid(author, draft.id)
    await posts.edit(author, draft.id, PostChanges(content="y"))
    assert (await preview_links.open_link(ctx, link.secret)).content == "y"
    with pytest.raises(NotFound):
        await posts.get(ctx, draft.id)


@pytest.mark.parametrize(("lifetime", "days"), [(Lifetime.DAY, 1), (Lifetime.WEEK, 7), (Lifetime.MONTH, 30)])
async def test_link_expires(author: Context, ctx: Context, draft: Post, lifetime: Lifetime, days: int) -> None:
    await preview_links.create(author, draft.id, NewPreviewLink(lifetime=lifetime))
    (link,) = await preview_links.list_valid(author, draft.id)
    assert link.expires_at == author.now + dt.timedelta(days=days)
    assert (await preview_links.open_link(after(ctx, days=days - 1), link.secret)).id == draft.id
    with pytest.raises(NotFound):
        await preview_links.open_link(after(author, days=days), link.secret)
    assert await preview_links.list_valid(after(author, days=days), draft.id) == []


async def test_revoked_link_is_invalid_and_others_stay_valid(author: Context, ctx: Context, draft: Post) -> None:
    for _ in range(2):
        await preview_links.create(author, draft.id, WEEK)
    newest, oldest = await preview_links.list_valid(author, draft.id)
    await preview_links.revoke(author, draft.id, newest.id)
    with pytest.raises(NotFound):
        await preview_links.open_link(ctx, newest.secret)
    assert (await preview_links.open_link(ctx, oldest.secret)).id == draft.id
    assert [link.id for link in await preview_links.list_valid(author, draft.id)] == [oldest.id]


async def test_forged_links_are_invalid(author: Context, ctx: Context, draft: Post, site: Site) -> None:
    link_id = await preview_links.create(author, draft.id, WEEK)
    (link,) = await preview_links.list_valid(author, draft.id)
    other = site.signer.sign(Purpose.INVITATION, [link_id])
    for secret in ("", "x", link.secret[:-1], link.secret + "x", other, site.signer.sign(Purpose.PREVIEW_LINK, [link_id + 1])):
        with pytest.raises(NotFound):
            await preview_links.open_link(ctx, secret)


async def test_deleted_post_is_not_previewed(author: Context, ctx: Context, draft: Post) -> None:
    await preview_links.create(author, draft.id, WEEK)
    (link,) = await preview_links.list_valid(author, draft.id)
    await posts.delete(author, draft.id)
    with pytest.raises(NotFound):
        await preview_links.open_link(ctx, link.secret)


async def test_published_posts_have_no_links_and_drafts_a_limited_number(author: Context, draft: Post) -> None:
    published = await posts.create(author, NewPost(title="Out", content="x"))
    with pytest.raises(Conflict):
        await preview_links.create(author, published.id, WEEK)
    for _ in range(preview_links.MAX_LINKS_PER_POST):
        await preview_links.create(author, draft.id, WEEK)
    with pytest.raises(Conflict):
        await preview_links.create(author, draft.id, WEEK)
    await preview_links.create(after(author, days=8), draft.id, WEEK)


async def test_only_editors_create_list_and_revoke_links(author: Context, ctx: Context, draft: Post, make_user: MakeUser) -> None:
    link_id = await preview_links.create(author, draft.id, WEEK)
    bob = ctx.acting_as(accounts.as_actor(await make_user("bob")))
    await posts.edit(author, draft.id, PostChanges(status=PostStatus.PUBLISHED))
    for who, error in ((bob, Forbidden), (ctx, NotAuthenticated)):
        for call in (
            preview_links.list_valid(who, draft.id),
            preview_links.create(who, draft.id, WEEK),
            preview_links.revoke(who, draft.id, link_id),
        ):
            with pytest.raises(error):
                await call
    other = await posts.create(author, NewPost(title="Other", content="x", status=PostStatus.DRAFT))
    with pytest.raises(NotFound):
        await preview_links.revoke(author, other.id, link_id)
