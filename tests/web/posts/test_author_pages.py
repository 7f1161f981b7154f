"""Pages for the authors of a post: the field of the editor, the by-line, notifications, and the button to leave."""

import re

import httpx2
import pytest

from blog.domain.accounts import sessions
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.posts.models import Post
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost
from tests.conftest import ORIGIN
from tests.support.posts import author_names
from tests.web.conftest import SignIn

Headers = dict[str, str]
FORM = {"title": "Two hands", "content": "x", "status": "published"}


@pytest.fixture
async def ada(author: Context) -> Headers:
    session_id = await sessions.start(author, author.require_actor(), "a browser")
    return {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def bob(sign_in: SignIn) -> Headers:
    return await sign_in("bob")


@pytest.fixture
async def shared(author: Context, bob: Headers) -> Post:
    return await posts.create(author, NewPost(title="Two hands", content="x", authors=["ada", "bob"]))


async def test_the_form_names_authors(client: httpx2.AsyncClient, author: Context, ada: Headers, bob: Headers) -> None:
    page = (await client.get("/write", headers=ada)).text
    assert re.search(r'name="authors" type="text" value="ada"', page)
    answer = await client.post("/write", data=FORM | {"authors": "bob, ada"}, headers=ada)
    assert answer.headers["location"] == "/posts/two-hands"
    shown = (await client.get("/posts/two-hands")).text
    links = [f'<a dir="auto" rel="author" href="/authors/{name}">{name}</a>' for name in ("bob", "ada")]
    assert " and ".join(links) in shown
    assert '"author": [{"@type": "Person", "name": "bob"' in shown
    edited = (await client.get("/posts/two-hands/edit", headers=bob)).text
    assert re.search(r'name="authors" type="text" value="bob, ada"', edited)


@pytest.mark.parametrize(("typed", "message"), [
    ("ada, rita, nobody", "Not an author on this blog: rita, nobody."),
    ("bob", "Keep your own username, ada, in the list of authors"),
    ("ada, Ada", "Name each author once"),
    ("", "Choose at least one"),
])  # fmt: skip
async def test_mistakes_are_shown_at_the_field(
    client: httpx2.AsyncClient, author: Context, ada: Headers, shared: Post, sign_in: SignIn, typed: str, message: str
) -> None:
    await sign_in("rita", Role.READER)
    sent = FORM | {"authors": typed, "version": "1"}
    answer = await client.post("/posts/two-hands/edit", data=sent, headers=ada)
    assert answer.status_code == 422
    assert f'<a href="#field-authors">Authors: {message}' in answer.text
    assert f'<p class="error" id="error-authors">{message}' in answer.text
    assert author_names(await posts.get(author, shared.id)) == ["ada", "bob"]


async def test_empty_field_of_a_new_post_names_the_writer(client: httpx2.AsyncClient, author: Context, ada: Headers) -> None:
    assert (await client.post("/write", data=FORM | {"authors": ""}, headers=ada)).status_code == 303
    assert author_names(await posts.get_by_slug(author, "two-hands")) == ["ada"]


async def test_a_notification_leads_to_the_post_and_out_of_it(
    client: httpx2.AsyncClient, author: Context, ada: Headers, bob: Headers, shared: Post
) -> None:
    page = (await client.get("/notifications", headers=bob)).text
    assert 'named you as an author of <a href="/posts/two-hands" dir="auto">Two hands</a>' in page
    assert 'action="/posts/two-hands/leave"' in page
    for headers, is_offered in ((bob, True), (ada, True), ({}, False)):
        shown = (await client.get("/posts/two-hands", headers=headers)).text
        assert ("Remove me as an author" in shown) is is_offered
    left = await client.post("/posts/two-hands/leave", headers=bob)
    assert (left.status_code, left.headers["location"]) == (303, "/posts/two-hands")
    assert author_names(await posts.get(author, shared.id)) == ["ada"]
    assert "/leave" not in (await client.get("/notifications", headers=bob)).text
    refused = await client.post("/posts/two-hands/leave", headers=ada)
    assert refused.status_code == 409
    assert "You are the only author of this post. Name another author first, or delete the post." in refused.text


async def test_restore_says_that_the_authors_stay(
    client: httpx2.AsyncClient, author: Context, ada: Headers, bob: Headers
) -> None:
    await client.post("/write", data=FORM, headers=ada)
    await client.post("/posts/two-hands/edit", data=FORM | {"authors": "ada, bob", "version": "1"}, headers=ada)
    answer = await client.post("/posts/two-hands/history/1/restore", data={"version": "2"}, headers=bob)
    assert "The authors were not restored." in (await client.get(answer.headers["location"], headers=bob)).text
    assert "The authors were not restored." not in (await client.get("/posts/two-hands/history", headers=bob)).text
