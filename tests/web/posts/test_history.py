"""History, conflicts, previews and statuses of a post, with forms."""

import html
import re

import httpx2
import pytest

from blog.domain.core.context import Context
from blog.domain.posts import posts, presence
from blog.domain.posts.models import Post
from blog.schemas.accounts import Role
from blog.schemas.posts import PostChanges, PostStatus
from tests.support import matching
from tests.web.conftest import SignIn, Write
from tests.web.test_forms import value

POEM = "one\ntwo\nthree\nfour\nfive\n"
FORM = {"title": "On engines", "content": POEM, "tags": "", "slug": "on-engines", "status": "published", "version": "1"}


@pytest.fixture
async def eve(sign_in: SignIn) -> dict[str, str]:
    return await sign_in("eve", Role.EDITOR)


@pytest.fixture
async def post(write: Write, author: Context) -> Post:
    """Return a post with three versions."""
    made = await write("On engines", POEM, tags=["maths"])
    await posts.edit(author, made.id, PostChanges(content=POEM.replace("two", "deux & <b>zwei</b>")))
    return await posts.edit(author, made.id, PostChanges(title="On all engines", tags=["looms"]))


PAGES = ["/history", "/history/diff?from=1&to=2", "/history/1", "/previews", "/edit"]


@pytest.mark.parametrize("path", PAGES)
async def test_pages_need_the_permission_to_edit(
    client: httpx2.AsyncClient, post: Post, eve: dict[str, str], sign_in: SignIn, path: str
) -> None:
    address = f"/posts/on-engines{path}"
    assert (await client.get(address, headers=eve)).status_code == 200
    assert (await client.get(address, headers=await sign_in("bob"))).status_code == 403
    stranger = await client.get(address)
    assert (stranger.status_code, stranger.headers["location"].split("=")[0]) == (303, "/login?next")
    assert "noindex" in (await client.get(address, headers=eve)).text


async def test_history_lists_versions_and_offers_to_compare_any_two(
    client: httpx2.AsyncClient, post: Post, eve: dict[str, str]
) -> None:
    page = (await client.get("/posts/on-engines/history", headers=eve)).text
    assert re.findall(r'<li id="version-(\d)"', page) == ["3", "2", "1"]
    assert "0 words added, 0 removed; title, tags changed." in page
    assert "First version, 5 words." in page
    for name, chosen in (("from", "2"), ("to", "3")):
        assert re.findall(rf'name="{name}" value="(\d)"', page) == ["3", "2", "1"]
        assert re.findall(rf'name="{name}" value="(\d)" checked', page) == [chosen]


async def test_history_is_paged(client: httpx2.AsyncClient, post: Post, author: Context, eve: dict[str, str]) -> None:
    for number in range(20):
        await posts.edit(author, post.id, PostChanges(content=f"text {number}"))
    first = (await client.get("/posts/on-engines/history", headers=eve)).text
    second = (await client.get(html.unescape(matching.search(r'rel="next" href="([^"]+)"', first)[1]), headers=eve)).text
    assert re.findall(r'<li id="version-(\d+)"', first + second) == [str(number) for number in range(23, 0, -1)]


async def test_diff_marks_words_with_elements_and_escapes_them(
    client: httpx2.AsyncClient, post: Post, eve: dict[str, str]
) -> None:
    page = (await client.get("/posts/on-engines/history/diff?from=1&to=3", headers=eve)).text
    assert "<del>two</del><ins>deux &amp; &lt;b&gt;zwei&lt;/b&gt;</ins>" in page
    assert "On <ins>all </ins>engines" in page
    assert "<dd><del>maths</del>, <ins>looms</ins></dd>" in page
    assert "4 words added, 1 removed" in page
    assert "<dt>Status</dt>" not in page
    assert "No changes." in (await client.get("/posts/on-engines/history/diff?from=2&to=2", headers=eve)).text


@pytest.mark.parametrize(
    ("query", "status"), [("", 422), ("?from=1", 422), ("?from=x&to=1", 422), ("?from=1&to=9", 404), ("?from=²&to=1", 422)]
)
async def test_invalid_versions_are_not_compared(
    client: httpx2.AsyncClient, post: Post, eve: dict[str, str], query: str, status: int
) -> None:
    assert (await client.get(f"/posts/on-engines/history/diff{query}", headers=eve)).status_code == status


async def test_version_is_shown_rendered_and_as_source(
    client: httpx2.AsyncClient, post: Post, author: Context, eve: dict[str, str]
) -> None:
    await posts.edit(author, post.id, PostChanges(content="new"))
    page = (await client.get("/posts/on-engines/history/2", headers=eve)).text
    assert "deux &amp; &lt;b&gt;zwei&lt;/b&gt;" in page
    assert "deux &amp; <b>zwei</b>" in page
    assert "Restore this version" in page
    assert "Restore this version" not in (await client.get("/posts/on-engines/history/4", headers=eve)).text
    assert (await client.get("/posts/on-engines/history/5", headers=eve)).status_code == 404


async def test_old_version_is_restored_as_a_new_one(
    client: httpx2.AsyncClient, ctx: Context, post: Post, eve: dict[str, str]
) -> None:
    address = "/posts/on-engines/history/1/restore"
    answer = await client.post(address, data={"version": "3"}, headers=eve)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines/history")
    after = await posts.get_by_slug(ctx, "on-engines")
    assert (after.title, after.content, after.tags, after.version) == ("On engines", POEM, ("maths",), 4)


@pytest.mark.parametrize("version", ["2", "", "x"])
async def test_restore_over_an_unseen_version_is_refused(
    client: httpx2.AsyncClient, ctx: Context, post: Post, eve: dict[str, str], version: str
) -> None:
    answer = await client.post("/posts/on-engines/history/1/restore", data={"version": version}, headers=eve)
    assert answer.status_code == 412
    assert "Someone saved version 3 while you had this page open" in answer.text
    assert value(answer.text, "version") == "3", "the form can be sent again after the warning"
    assert (await posts.get_by_slug(ctx, "on-engines")).version == 3


async def test_conflict_shows_both_texts_and_offers_a_merge(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, eve: dict[str, str]
) -> None:
    post = await write("On engines", POEM)
    await posts.edit(author, post.id, PostChanges(content=POEM.replace("one", "eins"), title="On all engines"))
    answer = await client.post("/posts/on-engines/edit", data=FORM | {"content": POEM.replace("five", "fünf")}, headers=eve)
    assert answer.status_code == 412
    page = answer.text
    assert "ada saved a newer version" in page
    assert "From version 1, which you started from, to version 2" in page
    for piece in ("<del>one</del><ins>eins</ins>", "<del>eins</del><ins>one</ins>", "<del>five</del><ins>fünf</ins>"):
        assert piece in page, "theirs from the beginning, mine from theirs"
    both = matching.search(r'<section class="conflict" aria-labelledby="conflict-merged">.*?</section>', page, re.DOTALL)[0]
    sent = {name: value(both, name) for name in FORM}
    assert sent["content"] == "eins\ntwo\nthree\nfour\nfünf\n"
    saved = await client.post("/posts/on-engines/edit", data=sent, headers=eve)
    assert saved.status_code == 303
    after = await posts.get_by_slug(ctx, "on-engines")
    assert (after.title, after.content, after.version) == ("On all engines", "eins\ntwo\nthree\nfour\nfünf\n", 3)


async def test_conflict_in_the_same_lines_is_reported_and_keeps_the_text(
    client: httpx2.AsyncClient, author: Context, write: Write, eve: dict[str, str]
) -> None:
    post = await write("On engines", POEM)
    await posts.edit(author, post.id, PostChanges(content="theirs"))
    answer = await client.post("/posts/on-engines/edit", data=FORM | {"content": "mine & mine"}, headers=eve)
    assert answer.status_code == 412
    assert "Both of you changed the same lines of the body" in answer.text
    assert "Save merged version" not in answer.text
    assert value(answer.text, "content") == "mine & mine"
    assert "<pre" in answer.text
    assert "theirs</pre>" in answer.text


async def test_second_conflict_is_reported_again(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, eve: dict[str, str]
) -> None:
    post = await write("On engines", POEM)
    await posts.edit(author, post.id, PostChanges(content="theirs"))
    first = await client.post("/posts/on-engines/edit", data=FORM | {"content": "mine"}, headers=eve)
    await posts.edit(author, post.id, PostChanges(content="theirs again"))
    sent = FORM | {"content": "mine", "version": value(first.text, "version")}
    assert (await client.post("/posts/on-engines/edit", data=sent, headers=eve)).status_code == 412
    assert (await posts.get_by_slug(ctx, "on-engines")).content == "theirs again"


@pytest.mark.parametrize("gone", ["deleted", "never there"])
async def test_text_for_a_deleted_post_can_be_saved_as_a_new_post(
    client: httpx2.AsyncClient, ctx: Context, author: Context, write: Write, eve: dict[str, str], gone: str
) -> None:
    if gone == "deleted":
        await posts.delete(author, (await write("On engines", POEM)).id)
    answer = await client.post("/posts/on-engines/edit", data=FORM | {"content": "Hours of work"}, headers=eve)
    assert answer.status_code == 404
    assert "This post was deleted while you were writing" in answer.text
    assert value(answer.text, "content") == "Hours of work"
    assert 'action="/write"' in answer.text
    sent = {name: value(answer.text, name) for name in ("title", "content", "tags", "slug")} | {"status": "published"}
    saved = await client.post("/write", data=sent, headers=eve)
    assert saved.status_code == 303
    post = await posts.get_by_slug(ctx, saved.headers["location"].rpartition("/")[2])
    assert (post.content, post.status, post.author) == ("Hours of work", PostStatus.PUBLISHED, "eve")


async def test_text_survives_a_lost_permission(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines", POEM)
    answer = await client.post("/posts/on-engines/edit", data=FORM | {"content": "Hours of work"}, headers=await sign_in("bob"))
    assert answer.status_code == 403
    assert value(answer.text, "content") == "Hours of work"


async def test_form_names_other_editors_until_they_save(
    client: httpx2.AsyncClient, author: Context, write: Write, eve: dict[str, str], sign_in: SignIn
) -> None:
    await write("On engines", POEM)
    ora = await sign_in("ora", Role.OWNER)
    assert "also editing" not in (await client.get("/posts/on-engines/edit", headers=eve)).text
    assert "eve is also editing this post" in (await client.get("/posts/on-engines/edit", headers=ora)).text
    assert (await client.post("/posts/on-engines/edit", data=FORM | {"content": "x"}, headers=eve)).status_code == 303
    assert "also editing" not in (await client.get("/posts/on-engines/edit", headers=ora)).text


async def test_presence_response_lists_other_editors(
    client: httpx2.AsyncClient, author: Context, write: Write, eve: dict[str, str]
) -> None:
    post = await write("On engines", POEM)
    await presence.touch(author, post.id)
    answer = await client.post("/posts/on-engines/presence", data={"here": "yes"}, headers=eve)
    assert answer.json() == {"others": ["ada"], "version": 1}
    await posts.edit(author, post.id, PostChanges(content="y"))
    assert (await client.post("/posts/on-engines/presence", data={"here": "yes"}, headers=eve)).json()["version"] == 2
    assert (await client.post("/posts/on-engines/presence", data={"left": "yes"}, headers=eve)).status_code == 204
    assert (await presence.touch(author, post.id)).others == []


async def test_presence_is_protected(client: httpx2.AsyncClient, write: Write, eve: dict[str, str], sign_in: SignIn) -> None:
    await write("On engines", POEM)
    address = "/posts/on-engines/presence"
    assert (await client.post(address, data={"here": "yes"})).status_code == 401
    assert (await client.post(address, data={"here": "yes"}, headers=await sign_in("bob"))).status_code == 403
    evil = eve | {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert (await client.post(address, data={"here": "yes"}, headers=evil)).status_code == 403
    assert (await client.post("/posts/nowhere/presence", data={"here": "yes"}, headers=eve)).status_code == 404


async def test_post_is_published_and_unpublished_without_its_form(
    client: httpx2.AsyncClient, ctx: Context, write: Write, eve: dict[str, str]
) -> None:
    await write("On engines", status=PostStatus.DRAFT)
    page = (await client.get("/posts/on-engines", headers=eve)).text
    assert '<a class="button" href="/posts/on-engines/publish">Publish</a>' in page
    answer = await client.post("/posts/on-engines/status", data={"status": "published"}, headers=eve)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines")
    assert (await posts.get_by_slug(ctx, "on-engines")).status is PostStatus.PUBLISHED
    back = await client.post("/posts/on-engines/status", data={"status": "draft", "back": "dashboard"}, headers=eve)
    assert back.headers["location"] == "/dashboard#posts-draft"
    assert (await client.get("/posts/on-engines")).status_code == 404


@pytest.mark.parametrize("sent", [{"back": ""}, {"status": "secret"}, {"status": "scheduled"}])
async def test_invalid_status_changes_nothing(
    client: httpx2.AsyncClient, ctx: Context, write: Write, eve: dict[str, str], sign_in: SignIn, sent: dict[str, str]
) -> None:
    await write("On engines")
    assert (await client.post("/posts/on-engines/status", data=sent, headers=eve)).status_code == 422
    bob = await sign_in("bob")
    assert (await client.post("/posts/on-engines/status", data={"status": "draft"}, headers=bob)).status_code == 403
    assert (await posts.get_by_slug(ctx, "on-engines")).version == 1


async def test_deletion_can_be_undone_on_the_dashboard(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    bob = await sign_in("bob")
    await client.post("/write", data={"title": "Mine & yours", "content": "x", "status": "published"}, headers=bob)
    gone = await client.post("/posts/mine-yours/delete", headers=bob)
    page = (await client.get(gone.headers["location"], headers=bob)).text
    assert "“Mine &amp; yours” was deleted." in page
    assert re.search(r'id="posts-deleted">Deleted<', page)
    answer = await client.post(matching.search(r'action="(/posts/\d+/undelete)"', page)[1], headers=bob)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/mine-yours")
    assert (await client.get("/posts/mine-yours")).status_code == 200
    page = (await client.get(gone.headers["location"], headers=bob)).text
    assert "is deleted" not in page
    assert "posts-deleted" not in page


async def test_editor_can_undo_the_deletion_of_a_post_by_another_author(
    client: httpx2.AsyncClient, write: Write, eve: dict[str, str], sign_in: SignIn
) -> None:
    post = await write("On engines")
    gone = await client.post("/posts/on-engines/delete", headers=eve)
    page = (await client.get(gone.headers["location"], headers=eve)).text
    assert "“On engines” was deleted." in page
    assert "posts-deleted" not in page, "the list is of one's own"
    bob = await sign_in("bob")
    assert "is deleted" not in (await client.get(gone.headers["location"], headers=bob)).text
    assert (await client.post(f"/posts/{post.id}/undelete", headers=bob)).status_code == 404
    assert (await client.post(f"/posts/{post.id}/undelete")).status_code == 401
    assert (await client.post(f"/posts/{post.id}/undelete", headers=eve)).status_code == 303


@pytest.fixture
async def secret(client: httpx2.AsyncClient, write: Write, eve: dict[str, str]) -> str:
    """Return the path of a preview link to a draft."""
    await write("Secret plans", "It *weaves*.", status=PostStatus.DRAFT)
    made = await client.post("/posts/secret-plans/previews", data={"lifetime": "7 days"}, headers=eve)
    assert (made.status_code, made.headers["location"]) == (303, "/posts/secret-plans/previews#link-1")
    page = (await client.get("/posts/secret-plans/previews", headers=eve)).text
    return matching.search(r'value="http://127.0.0.1:8000(/preview/[^"]+)"', page)[1]


async def test_preview_is_public_and_not_cached(client: httpx2.AsyncClient, secret: str) -> None:
    answer = await client.get(secret)
    assert answer.status_code == 200
    assert "<em>weaves</em>" in answer.text
    assert "<strong>Preview.</strong>" in answer.text
    assert '<meta name="robots" content="noindex">' in answer.text
    assert "comment-form" not in answer.text
    assert "live-cursor" not in answer.text
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("private, no-store", "no-referrer")
    assert answer.headers["x-robots-tag"] == "noindex"


async def test_preview_redirects_to_the_published_post(client: httpx2.AsyncClient, eve: dict[str, str], secret: str) -> None:
    await client.post("/posts/secret-plans/status", data={"status": "published"}, headers=eve)
    answer = await client.get(secret)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/secret-plans")
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("private, no-store", "no-referrer")


async def test_revoked_and_forged_links_are_not_found(client: httpx2.AsyncClient, eve: dict[str, str], secret: str) -> None:
    assert (await client.get(secret + "x")).status_code == 404
    answer = await client.post("/posts/secret-plans/previews/1/revoke", headers=eve)
    assert answer.headers["location"] == "/posts/secret-plans/previews"
    gone = await client.get(secret)
    assert gone.status_code == 404
    assert "Ask the author for a new one" in gone.text
    assert "Secret plans" not in gone.text
    assert "Active links" not in (await client.get("/posts/secret-plans/previews", headers=eve)).text


async def test_link_needs_a_lifetime_and_a_draft(client: httpx2.AsyncClient, write: Write, eve: dict[str, str]) -> None:
    await write("Draft", status=PostStatus.DRAFT)
    await write("Out")
    for sent in ({"lifetime": ""}, {"lifetime": "100 years"}):
        answer = await client.post("/posts/draft/previews", data=sent, headers=eve)
        assert answer.status_code == 422
        assert 'href="#field-lifetime"' in answer.text
    answer = await client.post("/posts/out/previews", data={"lifetime": "1 day"}, headers=eve)
    assert answer.status_code == 409
    assert "This post is published" in answer.text
