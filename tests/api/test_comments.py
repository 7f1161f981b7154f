"""Comments over JSON: who may write, change, hide and see them."""

import pytest

from blog.schemas.accounts import Role


@pytest.fixture
async def post(client, bearer):
    """The path of a published post by ada, and her header fields."""
    headers = await bearer("ada")
    made = await client.post("/api/v1/posts", json={"title": "A", "content": "x"}, headers=headers)
    return made.headers["location"], headers


async def test_reader_comments_and_is_answered(client, bearer, post):
    path, ada = post
    rob = await bearer("rob", Role.READER)
    asked = await client.post(f"{path}/comments", json={"content": "Why *this*?<script>1</script>"}, headers=rob)
    assert asked.status_code == 201
    body = asked.json()
    assert (body["author"], body["parent_id"], body["status"]) == ("rob", None, "visible")
    assert "<em>this</em>" in body["html"]
    assert "<script" not in body["html"]
    answer = await client.post(f"{path}/comments", json={"content": "Because.", "parent_id": body["id"]}, headers=ada)
    assert answer.json()["parent_id"] == body["id"]
    listed = (await client.get(f"{path}/comments")).json()
    assert [item["author"] for item in listed["items"]] == ["rob", "ada"]
    assert (await client.get(path)).json()["comments"] == 2
    assert (await client.get(asked.headers["location"])).json() == body


async def test_comment_needs_a_person_a_published_post_and_a_parent_on_it(client, bearer, post):
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


async def test_author_edits_moderators_hide_others_do_neither(client, bearer, post):
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


async def test_comments_are_paged_oldest_first(client, post):
    path, ada = post
    for number in range(5):
        await client.post(f"{path}/comments", json={"content": f"Comment {number}"}, headers=ada)
    first = await client.get(f"{path}/comments?limit=3")
    second = await client.get(first.links["next"]["url"])
    contents = [item["content"] for answer in (first, second) for item in answer.json()["items"]]
    assert contents == [f"Comment {number}" for number in range(5)]
    assert second.json()["next"] is None
