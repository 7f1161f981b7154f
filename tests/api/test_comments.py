"""Comments in the JSON API: permissions, moderation and visibility."""

import datetime as dt

import httpx2
import pytest

from blog.db import tables
from blog.domain.core.context import Context
from blog.schemas.accounts import Role
from tests.conftest import Bearer


@pytest.fixture
async def post(client: httpx2.AsyncClient, bearer: Bearer) -> tuple[str, dict[str, str]]:
    """Return the path of a published post by ada, and ada's headers."""
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=headers)
    return made.headers["location"], headers


async def test_reader_comments_and_gets_a_reply(
    client: httpx2.AsyncClient, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    rob = await bearer("rob", Role.READER)
    asked = await client.post(f"{path}/comments", json={"content": "Why *this*?<script>1</script>"}, headers=rob)
    assert asked.status_code == 201
    body = asked.json()
    assert (body["author"]["username"], body["parent_id"], body["status"]) == ("rob", None, "visible")
    assert "<em>this</em>" in body["html"]
    assert "<script" not in body["html"]
    answer = await client.post(f"{path}/comments", json={"content": "Because.", "parent_id": body["id"]}, headers=ada)
    assert answer.json()["parent_id"] == body["id"]
    listed = (await client.get(f"{path}/comments")).json()
    assert [item["author"]["username"] for item in listed["items"]] == ["rob", "ada"]
    assert (await client.get(path)).json()["comments"] == 2
    assert (await client.get(asked.headers["location"])).json() == body


async def test_comment_needs_an_account_a_published_post_and_a_parent_on_it(
    client: httpx2.AsyncClient, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    assert (await client.post(f"{path}/comments", json={"content": "x"})).status_code == 401
    assert (await client.post("/api/v1/posts/99/comments", json={"content": "x"}, headers=ada)).status_code == 404
    draft = await client.post("/api/v1/posts", json={"title": "D", "content": "", "status": "draft"}, headers=ada)
    on_draft = await client.post(f"{draft.headers['location']}/comments", json={"content": "x"}, headers=ada)
    assert on_draft.status_code == 403
    for wrong in ({"content": ""}, {"content": " \n "}, {"content": "x" * 10_001}, {"content": "x", "parent_id": 77}, {}):
        answer = await client.post(f"{path}/comments", json=wrong, headers=ada)
        assert answer.status_code == 422, wrong
        assert answer.json()["errors"][0]["loc"] == ["body", "parent_id" if "parent_id" in wrong else "content"]
    assert (await client.get(path)).json()["comments"] == 0


async def test_authors_edit_and_moderators_hide_comments(
    client: httpx2.AsyncClient, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    rob, eve = await bearer("rob", Role.READER), await bearer("eve")
    made = await client.post(f"{path}/comments", json={"content": "First"}, headers=rob)
    comment = made.headers["location"]
    assert (await client.patch(comment, json={"content": "Second"}, headers=rob)).json()["content"] == "Second"
    assert (await client.patch(comment, json={"content": "Mine"}, headers=ada)).status_code == 403
    assert (await client.patch(comment, json={"status": "removed"}, headers=rob)).status_code == 403
    assert (await client.patch(comment, json={"status": "removed"}, headers=eve)).status_code == 403
    assert (await client.delete(comment, headers=eve)).status_code == 403
    assert (await client.patch(comment, json={"status": "removed"}, headers=ada)).json()["status"] == "removed"
    assert [(await client.get(comment, headers=who)).status_code for who in ({}, rob, ada)] == [404, 404, 200]
    assert (await client.get(path)).json()["comments"] == 0
    assert (await client.patch(comment, json={"status": "visible"}, headers=ada)).json()["status"] == "visible"
    assert (await client.get(path)).json()["comments"] == 1
    assert (await client.delete(comment, headers=rob)).status_code == 204
    assert (await client.get(f"{path}/comments")).json()["items"] == []


async def test_comments_are_paged_oldest_first(client: httpx2.AsyncClient, post: tuple[str, dict[str, str]]) -> None:
    path, ada = post
    for number in range(5):
        await client.post(f"{path}/comments", json={"content": f"Comment {number}"}, headers=ada)
    first = await client.get(f"{path}/comments?limit=3")
    second = await client.get(first.links["next"]["url"])
    contents = [item["content"] for answer in (first, second) for item in answer.json()["items"]]
    assert contents == [f"Comment {number}" for number in range(5)]
    assert second.json()["next"] is None


LINKS = " ".join(f"<https://{number}.example>" for number in range(4))


async def test_pending_comment_is_visible_to_its_author_and_moderators_only(
    client: httpx2.AsyncClient, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    rob = await bearer("rob", Role.READER)
    made = await client.post(f"{path}/comments", json={"content": LINKS}, headers=rob)
    comment = made.headers["location"]
    assert made.status_code == 201
    assert (made.json()["status"], made.json()["reason"]) == ("pending", "Contains 4 links (limit 3)")
    people = {"nobody": {}, "rob": rob, "ada": ada, "eve": await bearer("eve"), "edo": await bearer("edo", Role.EDITOR)}
    seen = {}
    for name, headers in people.items():
        listed = (await client.get(f"{path}/comments", headers=headers)).json()["items"]
        status = (await client.get(comment, headers=headers)).status_code
        assert (status == 200) == bool(listed), name
        seen[name] = status
        assert (await client.get(path, headers=headers)).json()["comments"] == 0
        of_rob = f"/api/v1/users/{await _id_of(client, rob)}"
        answers = [await client.get(f"{of_rob}{part}", headers=headers) for part in ("", "/comments")]
        assert [answer.status_code for answer in answers] == [200 if name == "rob" else 404] * 2, "published nothing"
        if name == "rob":
            assert (answers[0].json()["comments"], answers[1].json()["items"]) == ([], [])
    assert seen == {"nobody": 404, "rob": 200, "ada": 200, "eve": 404, "edo": 200}
    answer = await client.post(f"{path}/comments", json={"content": "x", "parent_id": made.json()["id"]}, headers=ada)
    assert answer.status_code == 422, "what waits is not answered yet"
    assert (await client.patch(comment, json={"status": "visible"}, headers=ada)).json()["status"] == "visible"
    assert (await client.get(comment)).json()["reason"] is None
    assert (await client.get(path)).json()["comments"] == 1


async def _id_of(client: httpx2.AsyncClient, headers: dict[str, str]) -> int:
    return int((await client.get("/api/v1/users/me", headers=headers)).json()["id"])


async def test_removed_comment_with_replies_stays_without_its_text(
    client: httpx2.AsyncClient, ctx: Context, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    rob, nobody = await bearer("rob", Role.READER), dict[str, str]()

    async def write(content: str, parent: int | None = None, headers: dict[str, str] = rob) -> int:
        new = {"content": content} | ({"parent_id": parent} if parent else {})
        return int((await client.post(f"{path}/comments", json=new, headers=headers)).json()["id"])

    first = await write("first")
    second = await write("second", first)
    third = await write("third", second)
    held = await write("held")
    await write("below the held one", held, ada)
    lonely, answered = await write("lonely", None, ada), await write("answered", None, ada)
    for comment in (first, second, lonely, answered, await write("below", answered, ada)):
        assert (await client.delete(f"/api/v1/comments/{comment}", headers=ada)).status_code == 204
    await ctx.db.execute(tables.comments.update().where(tables.comments.c.id == held).values(status="pending"))

    listed = (await client.get(f"{path}/comments")).json()["items"]
    assert [item["content"] for item in listed] == ["", "", "third", "", "below the held one"]
    assert [item["id"] for item in listed[:3]] == [first, second, third]
    ids = [item["id"] for item in listed]
    assert all(item["parent_id"] in (None, *ids) for item in listed), "every parent is in the list"
    for item in (listed[0], listed[1], listed[3]):
        assert (item["author"], item["html"], item["status"], item["reason"]) == (None, "", "removed", None)
    paged, url = [], f"{path}/comments?limit=1"
    while url:
        answer = await client.get(url)
        paged += answer.json()["items"]
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert paged == listed
    for headers, shown in ((nobody, ["", "", ""]), (rob, ["", "", "held"]), (ada, ["first", "second", "held"])):
        seen = {item["id"]: item["content"] for item in (await client.get(f"{path}/comments", headers=headers)).json()["items"]}
        assert [seen[first], seen[second], seen[held]] == shown
        assert (lonely in seen, answered in seen) == (headers is ada,) * 2
    assert (await client.get(f"/api/v1/comments/{first}")).status_code == 404


async def test_status_pending_cannot_be_set(client: httpx2.AsyncClient, bearer: Bearer, post: tuple[str, dict[str, str]]) -> None:
    path, ada = post
    made = await client.post(f"{path}/comments", json={"content": "x"}, headers=ada)
    answer = await client.patch(made.headers["location"], json={"status": "pending"}, headers=ada)
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {
        "loc": ["body", "status"], "msg": "Input should be 'visible', 'removed' or 'spam'", "type": "enum"
    }  # fmt: skip


async def test_text_is_changed_for_an_hour_and_status_at_any_time(
    client: httpx2.AsyncClient, ctx: Context, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    rob = await bearer("rob", Role.READER)
    comment = (await client.post(f"{path}/comments", json={"content": "x"}, headers=rob)).headers["location"]
    written = ctx.now - dt.timedelta(minutes=61)
    await ctx.db.execute(tables.comments.update().values(created_at=written))
    answer = await client.patch(comment, json={"content": "y"}, headers=rob)
    until = written + dt.timedelta(minutes=60)
    assert answer.status_code == 403
    assert (
        answer.json()["detail"]
        == f"This comment could be edited until {ctx.site.formats.moment(until)}. You can still remove it."
    )
    assert (await client.patch(comment, json={"status": "removed"}, headers=ada)).status_code == 200
    assert (await client.patch(comment, json={"status": "visible"}, headers=ada)).status_code == 200
    assert (await client.delete(comment, headers=rob)).status_code == 204


async def test_closed_post_refuses_comments_and_keeps_existing_ones(
    client: httpx2.AsyncClient, post: tuple[str, dict[str, str]]
) -> None:
    path, ada = post
    assert (await client.get(path)).json()["comments_open"] is True
    said = await client.post(f"{path}/comments", json={"content": "Before."}, headers=ada)
    closed = await client.patch(path, json={"comments_open": False}, headers=ada)
    assert (closed.json()["comments_open"], closed.json()["version"]) == (False, 2)
    answer = await client.post(f"{path}/comments", json={"content": "After."}, headers=ada)
    assert (answer.status_code, answer.json()["detail"]) == (403, "Comments on this post are closed")
    assert [item["content"] for item in (await client.get(f"{path}/comments")).json()["items"]] == ["Before."]
    assert (await client.patch(said.headers["location"], json={"content": "Then."}, headers=ada)).status_code == 200
    assert (await client.patch(path, json={"title": "B"}, headers=ada)).json()["comments_open"] is False, "PATCH: as it is"
    assert (await client.patch(path, json={"comments_open": False}, headers=ada)).json()["version"] == 3, "no change, no version"
    replaced = await client.put(path, json={"title": "B", "content": "x"}, headers=ada)
    assert replaced.json()["comments_open"] is True, "PUT: the default"
    assert (await client.patch(path, json={"comments_open": None}, headers=ada)).status_code == 422


async def test_post_can_be_created_with_comments_closed(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "x", "comments_open": False}, headers=ada)
    assert made.json()["comments_open"] is False
    assert (await client.get(made.headers["location"])).json()["comments_open"] is False


async def test_event_log_has_pending_comments_for_editors_only(
    client: httpx2.AsyncClient, bearer: Bearer, post: tuple[str, dict[str, str]]
) -> None:
    path, _ = post
    rob, edo = await bearer("rob", Role.READER), await bearer("edo", Role.EDITOR)
    made = (await client.post(f"{path}/comments", json={"content": LINKS}, headers=rob)).json()
    log = "/api/v1/events?after=earliest&channel"
    for headers in ({}, rob, edo):
        answer = (await client.get(f"{log}=post:{made['post_id']}", headers=headers)).json()
        assert [event["event"] for event in answer["events"]] == ["post.published"]
    (event,) = (await client.get(f"{log}=moderation", headers=edo)).json()["events"]
    assert (event["event"], event["data"]["comment"]) == ("comment.held", made)
