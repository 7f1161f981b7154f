"""Permissions: the status of every operation of the API for every role, in one table."""

import collections
import io
from typing import Any

import httpx2
import pytest

from blog.api.openapi import declared_operations
from blog.api.routes import routes
from blog.db import tables
from blog.domain.accounts import accounts, invitations, tokens
from blog.domain.comments import comments, moderation_rules
from blog.domain.core.context import Context
from blog.domain.media import media
from blog.domain.posts import posts, tags
from blog.domain.site import static_pages
from blog.schemas.accounts import NewUser, Role, Scope
from blog.schemas.comments import NewComment
from blog.schemas.invitations import NewInvitation
from blog.schemas.media import NewMedia
from blog.schemas.posts import NewPost, PostStatus
from blog.schemas.static_pages import PageStatus, StaticPageInput
from tests.conftest import PASSWORD, MakeUser
from tests.support.pictures import png

# ada is the author of the posts and the owner of the spare token, rob the reader who commented; `narrow` is ada by a token
# for images alone, `revoked` by one that has ended.
PEOPLE = ("nobody", "rob (reader)", "ada (author)", "eve (author)", "edo (editor)", "ora (owner)", "revoked", "narrow")
IMAGE = png(3, 2)
POST, COMMENT = {"title": "A", "content": "x"}, {"content": "x"}
ALL = (200, 200, 200, 200, 200, 200, 401, 200)
OWNERS = (401, 403, 403, 403, 403, 200, 401, 403)
WRITERS = (401, 403, 200, 403, 200, 200, 401, 403)
TABLE: list[tuple[str, str, Any, tuple[int, ...]]] = [
    ("GET", "/posts", None, ALL),
    ("GET", "/posts?status=draft", None, (401, 200, 200, 200, 200, 200, 401, 200)),
    ("POST", "/posts", POST, (401, 403, 201, 201, 201, 201, 401, 403)),
    ("GET", "/posts/{post}", None, ALL),
    ("GET", "/posts/{draft}", None, (404, 404, 200, 404, 200, 200, 401, 200)),
    ("PUT", "/posts/{post}", POST, WRITERS),
    ("PATCH", "/posts/{post}", {"title": "B"}, WRITERS),
    ("PATCH", "/posts/{draft}", {"title": "B"}, (401, 404, 200, 404, 200, 200, 401, 403)),
    ("DELETE", "/posts/{post}", None, (401, 403, 204, 403, 204, 204, 401, 403)),
    ("DELETE", "/posts/{draft}", None, (401, 404, 204, 404, 204, 204, 401, 403)),
    ("GET", "/posts?status=deleted", None, (401, 200, 200, 200, 200, 200, 401, 200)),
    ("POST", "/posts/{deleted}/undelete", None, (401, 404, 200, 404, 200, 200, 401, 403)),
    ("DELETE", "/posts/{shared}/authors/me", None, (401, 403, 204, 204, 403, 403, 401, 403)),
    ("DELETE", "/posts/{post}/authors/me", None, (401, 403, 409, 403, 403, 403, 401, 403)),
    ("DELETE", "/posts/{draft}/authors/me", None, (401, 404, 409, 404, 403, 403, 401, 403)),
    ("GET", "/posts/{post}/comments", None, ALL),
    ("GET", "/posts/{draft}/comments", None, (404, 404, 200, 404, 200, 200, 401, 200)),
    ("POST", "/posts/{post}/comments", COMMENT, (401, 201, 201, 201, 201, 201, 401, 403)),
    ("POST", "/posts/{draft}/comments", COMMENT, (401, 404, 403, 404, 403, 403, 401, 403)),
    ("GET", "/posts/{post}/revisions", None, WRITERS),
    ("GET", "/posts/{draft}/revisions", None, (401, 404, 200, 404, 200, 200, 401, 403)),
    ("GET", "/posts/{post}/revisions/1", None, WRITERS),
    ("POST", "/posts/{post}/revisions/1/restore", None, WRITERS),
    ("GET", "/comments/{comment}", None, ALL),
    ("GET", "/comments/{removed}", None, (404, 404, 200, 404, 200, 200, 401, 200)),
    ("GET", "/comments/{pending}", None, (404, 200, 200, 404, 200, 200, 401, 200)),
    ("PATCH", "/comments/{comment}", COMMENT, (401, 200, 403, 403, 403, 403, 401, 403)),
    ("PATCH", "/comments/{comment}", {"status": "removed"}, WRITERS),
    ("PATCH", "/comments/{comment}", {"status": "spam"}, WRITERS),
    ("PATCH", "/comments/{pending}", COMMENT, (401, 200, 403, 404, 403, 403, 401, 403)),
    ("PATCH", "/comments/{pending}", {"status": "visible"}, (401, 403, 200, 404, 200, 200, 401, 403)),
    ("PATCH", "/comments/{pending}", {"status": "pending"}, (401, 422, 422, 422, 422, 422, 401, 422)),
    ("DELETE", "/comments/{pending}", None, (401, 204, 204, 404, 204, 204, 401, 403)),
    ("DELETE", "/comments/{comment}", None, (401, 204, 204, 403, 204, 204, 401, 403)),
    ("GET", "/pages", None, ALL),
    ("POST", "/pages", POST, (401, 403, 403, 403, 403, 201, 401, 403)),
    ("GET", "/pages/{page}", None, ALL),
    ("GET", "/pages/{hidden}", None, (404, 404, 404, 404, 404, 200, 401, 404)),
    ("PUT", "/pages/{page}", POST, OWNERS),
    ("PATCH", "/pages/{hidden}", {"title": "B"}, OWNERS),
    ("DELETE", "/pages/{page}", None, (401, 403, 403, 403, 403, 204, 401, 403)),
    ("GET", "/media", None, (401, 200, 200, 200, 200, 200, 401, 200)),
    ("POST", "/media", IMAGE, (401, 403, 200, 201, 201, 201, 401, 200)),
    ("GET", "/media/{image}", None, (401, 404, 200, 404, 200, 200, 401, 200)),
    ("PATCH", "/media/{image}", {"alt": "A"}, (401, 404, 200, 404, 200, 200, 401, 200)),
    ("DELETE", "/media/{image}", None, (401, 404, 204, 404, 204, 204, 401, 204)),
    ("POST", "/bookmarks", {"url": "loom"}, (401, 403, 422, 422, 422, 422, 401, 403)),
    ("GET", "/flags", None, (401, 403, 403, 403, 403, 200, 401, 403)),
    ("PUT", "/flags/live", {"enabled": True}, (401, 403, 403, 403, 403, 200, 401, 403)),
    ("GET", "/events?channel=moderation", None, (401, 403, 403, 403, 200, 200, 401, 403)),
    ("GET", "/events?channel=posts", None, ALL),
    ("GET", "/events?channel=post:{draft}", None, (404, 404, 200, 404, 200, 200, 401, 200)),
    ("HEAD", "/events/stream?channel=posts", None, ALL),
    ("HEAD", "/events/stream?channel=post:{draft}", None, (404, 404, 200, 404, 200, 200, 401, 200)),
    ("GET", "/tags", None, ALL),
    ("GET", "/tags/looms", None, ALL),
    ("PATCH", "/tags/looms", {"description": "Looms."}, (401, 403, 403, 403, 200, 200, 401, 403)),
    ("POST", "/tags/{post}/merge", {"into": "looms"}, (401, 403, 403, 403, 200, 200, 401, 403)),
    ("DELETE", "/tags/looms", None, (401, 403, 403, 403, 204, 204, 401, 403)),
    ("GET", "/authors?q=a", None, (401, 403, 200, 200, 200, 200, 401, 403)),
    ("POST", "/users", {"username": "newcomer", "email": "new@example.org"}, (201, *(409,) * 5, 401, 409)),
    ("GET", "/users", None, (401, 403, 403, 403, 403, 200, 401, 403)),
    ("GET", "/users?username=ada", None, ALL),
    ("PATCH", "/users/{ada}", {"role": "author"}, OWNERS),
    ("PUT", "/users/{target}/suspension", {}, OWNERS),
    ("DELETE", "/users/{target}", None, (401, 403, 403, 403, 403, 204, 401, 403)),
    ("DELETE", "/users/{target}/sessions", None, (401, 403, 403, 403, 403, 204, 401, 403)),
    ("POST", "/users/{target}/password-link", {}, (401, 403, 403, 403, 403, 201, 401, 403)),
    ("POST", "/users/{target}/posts/transfer", {"transfer_to": "ada"}, OWNERS),
    ("DELETE", "/users/{ada}/suspension", None, (401, 403, 403, 403, 403, 204, 401, 403)),
    ("GET", "/users/me", None, (401, 200, 200, 200, 200, 200, 401, 403)),
    ("PATCH", "/users/me", {"age": 40}, (401, 200, 200, 200, 200, 200, 401, 403)),
    ("GET", "/users/{ada}", None, ALL),
    ("GET", "/users/{ada}/posts", None, ALL),
    ("GET", "/users/{ada}/comments", None, ALL),
    ("GET", "/invitations", None, OWNERS),
    ("POST", "/invitations", {"role": "author"}, (401, 403, 403, 403, 403, 201, 401, 403)),
    ("POST", "/invitations/{invitation}/resend", None, OWNERS),
    ("DELETE", "/invitations/{invitation}", None, (401, 403, 403, 403, 403, 204, 401, 403)),
    ("GET", "/tokens", None, (401, 200, 200, 200, 200, 200, 401, 403)),
    ("POST", "/tokens", {"username": "rob", "password": PASSWORD}, (201, 201, 201, 201, 201, 201, 401, 201)),
    ("DELETE", "/tokens/{spare}", None, (401, 404, 204, 404, 404, 404, 401, 403)),
]


@pytest.fixture
async def people(ctx: Context, make_user: MakeUser) -> dict[str, dict[str, str]]:
    """Return the headers of each name in PEOPLE."""
    roles = {"rob": Role.READER, "ada": Role.AUTHOR, "eve": Role.AUTHOR, "edo": Role.EDITOR, "ora": Role.OWNER}
    actors = {name: accounts.as_actor(await make_user(name, role)) for name, role in roles.items()}
    scopes = {name: set(Scope) if name == "ora" else set(Scope) - {Scope.ADMIN} for name in actors}
    issued = [None] + [await tokens.issue(ctx, actor, name="test", scopes=scopes[name]) for name, actor in actors.items()]
    ended = await tokens.issue(ctx, actors["ada"], name="revoked")
    await tokens.revoke(ctx.acting_as(actors["ada"]), ended.token.id)
    issued += [ended, await tokens.issue(ctx, actors["ada"], name="narrow", scopes=[Scope.MEDIA_WRITE])]
    headers = [{"Authorization": f"Bearer {made.value}"} if made else {} for made in issued]
    return dict(zip(PEOPLE, headers, strict=True))


async def things(ctx: Context) -> dict[str, int]:
    """Create the objects of one request and return their ids, so that requests do not affect each other."""
    ada = ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "ada")))
    rob = ctx.acting_as(accounts.as_actor(await accounts.by_username(ctx, "rob")))
    post = await posts.create(ada, NewPost(title="Post", content="text", tags=["looms"]))
    await tags.get_or_create_ids(ctx.db, [str(post.id)])
    draft = await posts.create(ada, NewPost(title="Draft", content="text", status=PostStatus.DRAFT))
    shared = await posts.create(ada, NewPost(title="Shared", content="text", authors=["ada", "eve"]))
    deleted = await posts.create(ada, NewPost(title="Deleted", content="text"))
    await posts.delete(ada, deleted.id)
    comment, removed = [await comments.create(rob, post.id, NewComment(content="Yes.")) for _ in range(2)]
    await comments.remove(ada, removed.id)
    pending = await comments.create(rob, post.id, NewComment(content="Hm."), spam_reason="It looks odd")
    image, _ = await media.upload(ada, io.BytesIO(IMAGE), NewMedia())
    spare = await tokens.issue(ctx, ada.require_actor(), name="spare")
    name = f"target-{spare.token.id}"
    target = await accounts.create(ctx, NewUser(username=name, email=f"{name}@example.org"), Role.READER)
    ora = accounts.as_actor(await accounts.by_username(ctx, "ora"))
    invited = NewInvitation(role=Role.READER, email=f"invited-{spare.token.id}@example.org")
    invitation = await invitations.create(ctx, invited, inviter=ora)
    page_inputs = [StaticPageInput(title="A", content="x", slug=f"{each}-{post.id}", status=each) for each in PageStatus]
    about, hidden = [await static_pages.create(ctx.acting_as(ora), new, reserved=()) for new in page_inputs]
    return {
        "page": about.id,
        "hidden": hidden.id,
        "post": post.id,
        "draft": draft.id,
        "shared": shared.id,
        "deleted": deleted.id,
        "comment": comment.id,
        "removed": removed.id,
        "pending": pending.id,
        "image": image.id,
        "ada": ada.require_actor().id,
        "target": target.id,
        "invitation": invitation.id,
        "spare": spare.token.id,
    }


@pytest.mark.parametrize(("method", "path", "body", "expected"), TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE])
async def test_statuses_match_the_table(
    client: httpx2.AsyncClient,
    ctx: Context,
    people: dict[str, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: Any,
    expected: Any,
) -> None:
    monkeypatch.setattr(moderation_rules, "MAX_PER_WINDOW", 1000)  # rob says more than a person can
    found = {}
    ids: dict[str, int] = {}
    for name, headers in people.items():
        if not ids or method not in ("GET", "HEAD"):  # reading spoils nothing for the next
            await ctx.db.execute(tables.comments.delete().where(tables.comments.c.status == "spam"))  # it holds later ones
            ids = await things(ctx)
        target = f"/api/v1{path.format_map(ids)}"
        sent = {"files": {"file": body}} if isinstance(body, bytes) else {"json": body}
        found[name] = (await client.request(method, target, headers=headers, **sent)).status_code
    assert found == dict(zip(PEOPLE, expected, strict=True))


def test_table_has_every_operation() -> None:
    tried = {(method, path.partition("?")[0]) for method, path, *_ in TABLE}
    ones: dict[str, int] = collections.defaultdict(lambda: 1)
    for item in declared_operations(routes):
        pattern, verbs = item.route.path_regex, {item.method.upper(), "HEAD" if item.method == "get" else ""}
        assert any(verb in verbs and pattern.fullmatch(path.format_map(ones)) for verb, path in tried), (
            f"nobody tried {item.method.upper()} {item.route.path}"
        )
