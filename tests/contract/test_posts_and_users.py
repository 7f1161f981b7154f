"""One contract for the blog's API and for its FastAPI twin; and each difference of the twin."""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.integrity import outdated_html
from blog.domain.posts import post_lists
from blog.framework.limits.request_limits import MAX_POST_BODY_BYTES
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from blog.text.markdown import RENDERER_VERSION
from tests.conftest import PASSWORD, Bearer
from tests.twin.app import create_twin

API = "/api/v1"
POSTS, USERS, TOKENS = f"{API}/posts", f"{API}/users", f"{API}/tokens"
APPLICATIONS: dict[str, Callable[[Settings], Any]] = {"ours": create_app, "twin": create_twin}
ADA = {"username": "ada", "email": "ada@example.org", "age": 36, "password": PASSWORD}
NEW = {"title": "A title", "content": "Some text."}
PROBLEM = "application/problem+json"


@pytest.fixture(params=APPLICATIONS)
def app(request: pytest.FixtureRequest, settings: Settings) -> Any:
    """Return each of the two applications; `client` is its client."""
    return APPLICATIONS[request.param](settings)


def faults(answer: httpx2.Response) -> list[dict[str, Any]]:
    """Return the errors of a response in the format of either application."""
    body = answer.json()
    found: list[dict[str, Any]] = body.get("errors", body["detail"])
    return found


async def test_created_post_has_a_url_and_a_version(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    new = {"title": "On Engines", "content": "It *weaves*.", "tags": ["Machines", "machines", "maths"]}
    made = await client.post(POSTS, json=new, headers=await bearer("ada"))
    assert (made.status_code, made.headers["etag"].rpartition(".")[0]) == (201, f'"1.0.{RENDERER_VERSION}')
    body = made.json()
    assert made.headers["location"] == f"{POSTS}/{body['id']}"
    assert body["html"] == "<p>It <em>weaves</em>.</p>\n"
    assert (body["slug"], body["url"]) == ("on-engines", "http://127.0.0.1:8000/posts/on-engines")
    assert (body["tags"], body["author"], body["status"], body["version"]) == (["Machines", "maths"], "ada", "published", 1)
    assert body["published_at"].endswith("Z")
    read = await client.get(made.headers["location"])
    assert (read.json(), read.headers["vary"], read.headers["cache-control"]) == (body, "Authorization, Cookie", "no-cache")


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        (POSTS, NEW | {"title": " "}, "title"), (POSTS, NEW | {"title": "x" * 301}, "title"),
        (POSTS, NEW | {"title": 7}, "title"), (POSTS, NEW | {"title": "two\nlines"}, "title"),
        (POSTS, NEW | {"content": "bell\x07"}, "content"),
        (POSTS, {"title": "x"}, "content"), (POSTS, NEW | {"tags": ["x"] * 31}, "tags"), (POSTS, NEW | {"slug": "../x"}, "slug"),
        (POSTS, NEW | {"status": "hidden"}, "status"), (POSTS, NEW | {"colour": "red"}, "colour"),
        (USERS, ADA | {"username": "a b"}, "username"), (USERS, ADA | {"email": "ada@"}, "email"),
        (USERS, ADA | {"age": 151}, "age"), (USERS, ADA | {"password": "short"}, "password"),
        (USERS, ADA | {"admin": True}, "admin"), (TOKENS, {"username": "ada"}, "password"),
    ],
)  # fmt: skip
async def test_invalid_member_is_named(client: httpx2.AsyncClient, bearer: Bearer, path: str, body: Any, place: str) -> None:
    answer = await client.post(path, json=body, headers=await bearer("eve"))
    assert answer.status_code == 422
    assert [fault["loc"][:2] for fault in faults(answer)] == [["body", place]]
    assert all({"loc", "msg", "type"} <= set(fault) for fault in faults(answer))


async def test_patch_keeps_absent_members_and_put_replaces(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    path = (await client.post(POSTS, json=NEW | {"tags": ["x"]}, headers=headers)).headers["location"]
    changed = (await client.patch(path, json={"title": "B"}, headers=headers)).json()
    assert [changed[name] for name in ("title", "content", "tags", "version")] == ["B", "Some text.", ["x"], 2]
    assert (
        (await client.patch(path, json={"title": "B"}, headers=headers)).headers["etag"].startswith(f'"2.0.{RENDERER_VERSION}.')
    )
    assert (await client.patch(path, json={"title": None}, headers=headers)).status_code == 422
    replaced = (await client.put(path, json={"title": "C", "content": "other"}, headers=headers)).json()
    assert [replaced[name] for name in ("title", "content", "tags", "slug", "version")] == ["C", "other", [], "a-title", 3]
    assert (await client.put(path, json={"title": "C"}, headers=headers)).status_code == 422


async def test_stale_write_is_refused_and_changes_nothing(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    made = await client.post(POSTS, json=NEW, headers=headers)
    path, first = made.headers["location"], headers | {"If-Match": made.headers["etag"]}
    assert (await client.patch(path, json={"title": "B"}, headers=first)).status_code == 200
    for method, body in (("PATCH", {"title": "C"}), ("PUT", NEW), ("DELETE", None)):
        assert (await client.request(method, path, json=body, headers=first)).status_code == 412
    assert (await client.get(path)).json()["title"] == "B"
    for tag, status in (('W/"2.0"', 412), ("nonsense", 412), ('"1.0", "2.0"', 204)):
        assert (await client.delete(path, headers=headers | {"If-Match": tag})).status_code == status
    assert (await client.get(path)).status_code == 404
    assert (await client.delete(path, headers=headers | {"If-Match": "*"})).status_code == 404


async def test_current_etag_is_answered_with_304(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    made = await client.post(POSTS, json=NEW, headers=await bearer("ada"))
    path, tag = made.headers["location"], made.headers["etag"]
    for sent in (tag, f'"other", W/{tag}', "*"):
        answer = await client.get(path, headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await client.get(path, headers={"If-None-Match": '"0.0"'})).status_code == 200


async def test_etag_changes_with_the_renderer(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    headers = await bearer("ada")
    path = (await client.post(POSTS, json=NEW, headers=headers)).headers["location"]
    await ctx.db.execute(tables.posts.update().values(html="<p>old</p>", renderer_version=RENDERER_VERSION - 1))
    tag = (await client.get(path)).headers["etag"]
    assert await outdated_html.render_again(ctx) == 1
    answer = await client.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert answer.json()["html"] != "<p>old</p>"
    assert (await client.patch(path, json={"title": "B"}, headers=headers | {"If-Match": tag})).status_code == 200


async def test_draft_is_hidden_from_anonymous_users(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve, editor = await bearer("ada"), await bearer("eve"), await bearer("edo", Role.EDITOR)
    path = (await client.post(POSTS, json=NEW | {"status": "draft"}, headers=ada)).headers["location"]
    assert [(await client.get(path, headers=who)).status_code for who in ({}, eve, ada, editor)] == [404, 404, 200, 200]
    assert (await client.patch(path, json={"title": "x"}, headers=eve)).status_code == 404
    assert (await client.get(POSTS, headers=ada)).json()["items"] == []
    assert (await client.get(f"{POSTS}?status=draft")).status_code == 401
    assert [len((await client.get(f"{POSTS}?status=draft", headers=who)).json()["items"]) for who in (ada, eve)] == [1, 0]


async def test_only_authors_and_editors_can_edit_a_post(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve, reader = await bearer("ada"), await bearer("eve"), await bearer("rob", Role.READER)
    narrow = await bearer("nan", Role.AUTHOR, scopes=[Scope.COMMENTS_WRITE])
    wrong = {"Authorization": "Bearer nonsense"}
    answers = [await client.post(POSTS, json=NEW, headers=who) for who in ({}, wrong, reader, narrow, ada)]
    assert [answer.status_code for answer in answers] == [401, 401, 403, 403, 201]
    assert all(answer.headers["www-authenticate"].startswith("Bearer") for answer in answers[:2])
    path = answers[-1].headers["location"]
    statuses = [(await client.patch(path, json={}, headers=who)).status_code for who in ({}, reader, eve, ada)]
    assert statuses == [401, 403, 403, 200]
    assert (await client.get(POSTS, headers=wrong)).status_code == 401, "also where none is needed"
    assert (await client.post(POSTS, json={}, headers={})).status_code == 401, "authentication comes before validation"


async def test_pagination_neither_skips_nor_repeats(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("ada")
    for number in range(5):
        await client.post(POSTS, json=NEW | {"title": f"Post {number}"}, headers=headers)
    seen: list[str] = []
    url: str | None = f"{POSTS}?limit=2"
    while url:
        answer = await client.get(url)
        seen += [item["title"] for item in answer.json()["items"]]
        await client.post(POSTS, json=NEW, headers=headers)
        assert (answer.json()["next"] is not None) == ("link" in answer.headers)
        url = answer.links["next"]["url"] if "link" in answer.headers else None
    assert seen == [f"Post {number}" for number in reversed(range(5))]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "cursor=!", "colour=red", "status=x", "tag=", "q=%00"])
async def test_wrong_query_is_named(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"{POSTS}?{query}")
    assert answer.status_code == 422
    assert faults(answer)[0]["loc"][:2] == ["query", query.partition("=")[0]]


async def test_filters_are_combined(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, eve = await bearer("ada"), await bearer("eve")
    for headers, title, tag in ((ada, "Looms", "craft"), (ada, "Engines", "maths"), (eve, "Looms again", "craft")):
        await client.post(POSTS, json={"title": title, "content": "text", "tags": [tag]}, headers=headers)
    found = {
        query: [item["title"] for item in (await client.get(f"{POSTS}?{query}")).json()["items"]]
        for query in ("tag=CRAFT", "tag=craft&author=ada", "q=loom", "author=nobody")
    }
    assert list(found.values()) == [["Looms again", "Looms"], ["Looms"], ["Looms again", "Looms"], []]


async def test_taken_names_conflict(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    headers = await bearer("eve")
    assert [(await client.post(POSTS, json=NEW | {"slug": "one"}, headers=headers)).status_code for _ in range(2)] == [201, 409]
    assert [(await client.post(USERS, json=ADA | {"username": name})).status_code for name in ("ada", "ADA")] == [201, 409]


async def test_scheduled_post_needs_a_future_time(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context) -> None:
    headers = await bearer("ada")
    for days, status in ((-1, 422), (1, 201)):
        new = NEW | {"status": "scheduled", "publish_at": (ctx.now + dt.timedelta(days)).isoformat()}
        answer = await client.post(POSTS, json=new, headers=headers)
        assert answer.status_code == status
        assert status == 201 or faults(answer)[0]["loc"][-1] == "publish_at"


async def test_body_over_the_limit_is_refused(client: httpx2.AsyncClient, bearer: Bearer, settings: Settings) -> None:
    headers = await bearer("ada") | {"Content-Type": "application/json"}
    answer = await client.post(POSTS, content=b" " * (MAX_POST_BODY_BYTES + 1), headers=headers)
    assert answer.status_code == 413


async def test_registration_creates_a_reader_with_a_private_age(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    made = await client.post(USERS, json=ADA)
    assert (made.status_code, made.json()["role"], made.json()["age"]) == (201, "reader", 36)
    assert PASSWORD not in made.text
    assert (await client.get(made.headers["location"])).status_code == 404, "published nothing"
    profile = await client.get(made.headers["location"], headers=await bearer("ora", Role.OWNER))
    assert set(profile.json()) == {"user", "posts", "comments", "processing_time_seconds"}
    assert set(profile.json()["user"]) == {"id", "username", "name", "bio", "role", "created_at"}
    assert (await client.get(f"{USERS}/99")).status_code == 404


async def test_parts_of_a_profile_are_fetched_at_the_same_time(
    client: httpx2.AsyncClient, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = await bearer("ada")
    together = asyncio.Barrier(3)

    def meeting(function: Callable[..., Any]) -> Callable[..., Any]:
        async def met(*args: Any, **named: Any) -> Any:
            await together.wait()  # waits until the timeout unless all three run concurrently
            return await function(*args, **named)

        return met

    for module, name in ((accounts, "get"), (post_lists, "list_page"), (comments, "by_user")):
        monkeypatch.setattr(module, name, meeting(getattr(module, name)))
    async with asyncio.timeout(30):
        assert (await client.get(f"{USERS}/1", headers=headers)).status_code == 200


async def test_token_needs_the_password(client: httpx2.AsyncClient) -> None:
    await client.post(USERS, json=ADA)
    made = await client.post(TOKENS, json={"username": "ada", "password": PASSWORD, "expires_in": 600})
    assert (made.status_code, made.json()["token_type"], made.headers["cache-control"]) == (201, "bearer", "no-store")
    assert set(made.json()) == {"id", "name", "token", "token_type", "scopes", "created_at", "expires_at"}
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert (await client.get(f"{POSTS}?status=draft", headers=headers)).status_code == 200
    refused = await client.post(TOKENS, json={"username": "ada", "password": "not the password"})
    assert (refused.status_code, "www-authenticate" in refused.headers) == (401, True)


class Request(NamedTuple):
    """One request; `token` sends the author's token, `media_type` is the type of the body."""

    method: str
    path: str
    body: bytes | dict[str, Any] | None = None
    token: bool = True
    media_type: str | None = "application/json"
    scheme: str = "Bearer"


class Difference(NamedTuple):
    """A requirement of the contract, a request, the inspected part, and the response of each application."""

    behaviour: str
    request: Request
    see: Callable[[Any], Any]
    ours: Any
    twin: Any


def status(answer: httpx2.Response | None) -> int:
    """Return the status; 500 for an exception that leaves the application."""
    return 500 if answer is None else answer.status_code


def media_type(answer: httpx2.Response) -> str:
    """Return the media type without parameters."""
    return answer.headers["content-type"].partition(";")[0]


def members(answer: httpx2.Response) -> set[str]:
    """Return the names of the members of the body."""
    return set(answer.json())


def echo(answer: httpx2.Response) -> bool:
    """Return whether the response repeats the rejected value."""
    return SECRET in answer.text


def place(answer: httpx2.Response) -> Any:
    """Return the location of the first error, or None."""
    found = faults(answer)
    return found[0]["loc"] if isinstance(found, list) else None


def allow(answer: httpx2.Response) -> str | None:
    """Return the methods of the Allow header."""
    return answer.headers.get("allow")


SECRET = "x7&kq"
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "correlation_id"}
TOO_LARGE = b" " * (MAX_POST_BODY_BYTES + 1)
BOB = {"username": "bob", "email": "bob@example.org"}
DIFFERENCES = [
    Difference("malformed JSON is not merely invalid", Request("POST", POSTS, b"{"), status, 400, 422),
    Difference("an empty body is malformed", Request("POST", POSTS, b""), status, 400, 422),
    Difference("bytes that are no UTF-8 are malformed", Request("POST", POSTS, b"\xff\xfe"), status, 400, 422),
    Difference("NaN is no JSON", Request("POST", POSTS, b'{"title": NaN, "content": "x"}'), status, 400, 500),
    Difference(
        "half a surrogate pair is no character", Request("POST", POSTS, b'{"title": "\\ud800", "content": "x"}'), status, 400, 500
    ),
    Difference(
        "another media type is unsupported",
        Request("POST", POSTS, b'{"title": "x", "content": "x"}', media_type="text/plain"),
        status,
        415,
        422,
    ),
    Difference(
        "so is a body without one", Request("POST", POSTS, b'{"title": "x", "content": "x"}', media_type=None), status, 415, 422
    ),
    Difference("who asks is found out before the body is read", Request("POST", POSTS, b"{", token=False), status, 401, 422),
    Difference("text is no number", Request("POST", USERS, BOB | {"age": "3"}), status, 422, 201),
    Difference("true is no number", Request("POST", USERS, BOB | {"age": True}), status, 422, 201),
    Difference("a number is no instant", Request("POST", POSTS, NEW | {"publish_at": 4_102_444_800}), status, 422, 201),
    Difference("a refused password is not sent back", Request("POST", USERS, BOB | {"password": SECRET}), echo, False, True),
    Difference("an error is problem+json", Request("GET", f"{API}/nothing"), media_type, PROBLEM, "application/json"),
    Difference("and names its request", Request("GET", f"{POSTS}/99"), members, PROBLEM_MEMBERS, {"detail"}),
    Difference("also that of an invalid body", Request("POST", POSTS, {}), members, PROBLEM_MEMBERS | {"errors"}, {"detail"}),
    Difference("also that of a large body", Request("POST", POSTS, TOO_LARGE), media_type, PROBLEM, "text/plain"),
    Difference(
        "what the domain refuses is placed in the request",
        Request("POST", POSTS, NEW | {"status": "scheduled"}),
        place,
        ["body", "publish_at"],
        ["publish_at"],
    ),
    Difference(
        "a conflict names the member", Request("POST", USERS, BOB | {"username": "ada"}), place, ["body", "username"], None
    ),
    Difference("HEAD wherever GET is", Request("HEAD", f"{POSTS}/1"), status, 200, 405),
    Difference("OPTIONS is answered", Request("OPTIONS", f"{POSTS}/1"), status, 204, 405),
    Difference("405 names every method", Request("DELETE", POSTS), allow, "GET, HEAD, POST, OPTIONS", "GET"),
    Difference("what is no id is no page", Request("GET", f"{POSTS}/x"), status, 404, 422),
    Difference("nor is an id that cannot be", Request("GET", f"{POSTS}/{'9' * 30}"), status, 404, 422),
    Difference("a post has one address", Request("GET", f"{POSTS}/1.0"), status, 404, 200),
    Difference(
        "a slash too many leads nowhere, nor to the host that the client named", Request("GET", f"{POSTS}/"), status, 404, 307
    ),
    Difference("a repeated parameter is refused", Request("GET", f"{POSTS}?limit=1&limit=2"), status, 422, 200),
    Difference("credentials of another scheme are refused", Request("GET", POSTS, scheme="Basic"), status, 401, 200),
]


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.behaviour)
async def test_differences_of_the_twin(app: Any, client: httpx2.AsyncClient, bearer: Bearer, difference: Difference) -> None:
    headers = await bearer("ada")
    await client.post(POSTS, json=NEW, headers=headers)
    method, path, body, token, media, scheme = difference.request
    headers = {"Authorization": headers["Authorization"].replace("Bearer", scheme)} if token else {}
    if body is not None and media:
        headers["Content-Type"] = media
    content: dict[str, Any] = {"json": body} if isinstance(body, dict) else {"content": body}
    try:
        answer: httpx2.Response | None = await client.request(method, path, headers=headers, **content)
    except ValueError:
        answer = None
    assert difference.see(answer) == (difference.twin if isinstance(app, FastAPI) else difference.ours)


def test_every_difference_is_real() -> None:
    assert all(difference.ours != difference.twin for difference in DIFFERENCES)
    assert len({difference.behaviour for difference in DIFFERENCES}) == len(DIFFERENCES)
