"""The page between the editor and publication."""

import datetime as dt

import httpx2

from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.posts import PostStatus
from tests.web.conftest import SignIn, Write

FORM = {"title": "On engines", "content": "They weave.", "tags": "", "slug": "", "status": "draft"}


async def test_button_of_the_editor_saves_a_draft_and_leads_to_the_page(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    for then, path in (("publish", "/posts/on-engines/publish"), ("schedule", "/posts/on-engines-2/publish#schedule")):
        answer = await client.post("/write", data=FORM | {"then": then}, headers=eve)
        assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert (await client.get("/posts/on-engines")).status_code == 404
    assert (await client.get("/posts/on-engines/publish")).headers["location"] == "/login?next=%2Fposts%2Fon-engines%2Fpublish"


async def test_page_says_what_publishing_means(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    await write("On engines", "![](/media/a.png) text", status="draft", tags=["looms"])
    page = (await client.get("/posts/on-engines/publish", headers=eve)).text
    for words in ("/posts/on-engines</dd>", "search engines may list it.", "under looms", "no excerpt", "One image has"):
        assert words in page
    assert "no tags" not in page


async def test_published_post_says_its_address_once(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    await write("On engines", "They weave.", status="draft")
    answer = await client.post("/posts/on-engines/publish", data={"status": "published", "version": "1"}, headers=eve)
    assert (answer.status_code, answer.headers["location"]) == (303, "/posts/on-engines?published=2")
    assert "Everyone can read this post at" in (await client.get("/posts/on-engines?published=2", headers=eve)).text
    assert "Everyone can read" not in (await client.get("/posts/on-engines?published=2")).text, "strangers"
    assert "Everyone can read" not in (await client.get("/posts/on-engines", headers=eve)).text
    assert (await client.get("/posts/on-engines/publish", headers=eve)).headers["location"] == "/posts/on-engines"


async def test_changed_post_is_shown_again(client: httpx2.AsyncClient, author: Context, write: Write, sign_in: SignIn) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    post = await write("On engines", "They weave.", status="draft")
    for number in ("0", "2", ""):
        answer = await client.post("/posts/on-engines/publish", data={"status": "published", "version": number}, headers=eve)
        assert answer.status_code == 412
        assert "The post was changed after you opened this page." in answer.text
    assert (await posts.get(author, post.id)).status is PostStatus.DRAFT


async def test_post_is_scheduled_and_rescheduled(
    client: httpx2.AsyncClient, author: Context, write: Write, sign_in: SignIn
) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    post = await write("On engines", "They weave.", status="draft")
    for version, year in (("1", 2098), ("2", 2099)):
        sent = {"status": "scheduled", "publish_at": f"{year}-01-01T10:00", "version": version}
        assert (await client.post("/posts/on-engines/publish", data=sent, headers=eve)).status_code == 303
        stored = await posts.get(author, post.id)
        assert (stored.status, stored.publish_at) == (PostStatus.SCHEDULED, dt.datetime(year, 1, 1, 10, tzinfo=dt.UTC))
    sent = {"status": "scheduled", "publish_at": "2001-01-01T10:00", "version": "3"}
    answer = await client.post("/posts/on-engines/publish", data=sent, headers=eve)
    assert answer.status_code == 422
    assert "A scheduled post needs a time in the future" in answer.text
    assert 'value="2001-01-01T10:00"' in answer.text


async def test_empty_post_offers_no_publication(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    eve = await sign_in("eve", Role.EDITOR)
    await write("On engines", "<!-- nothing -->", status="draft")
    page = (await client.get("/posts/on-engines/publish", headers=eve)).text
    assert "This post is empty." in page
    assert "Publish now" not in page
    answer = await client.post("/posts/on-engines/publish", data={"status": "published", "version": "1"}, headers=eve)
    assert answer.status_code == 422
