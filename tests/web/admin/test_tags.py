"""Pages of tags: the list for editors, and addresses that redirect after a change."""

import httpx2
import pytest

from blog.domain.core.context import Context
from blog.domain.posts import tags
from blog.schemas.accounts import Role
from tests.web.conftest import SignIn, Write


@pytest.fixture
async def editor(sign_in: SignIn, write: Write) -> dict[str, str]:
    """Return the headers of an editor of a blog with the tags `Maths & more` and `looms`."""
    await write("Engines", tags=["Maths & more", "looms"])
    return await sign_in("edo", Role.EDITOR)


async def test_tag_is_renamed_and_its_old_addresses_redirect(
    client: httpx2.AsyncClient, editor: dict[str, str], ctx: Context
) -> None:
    tag = await tags.by_address(ctx.db, "maths & more")
    listed = await client.get("/admin/tags?q=MATHS", headers=editor)
    assert f'href="/admin/tags/{tag.id}"' in listed.text
    assert "looms" not in listed.text
    data = {"name": "Maths", "slug": "mathematics", "description": "Numbers & <signs>.", "image": ""}
    saved = await client.post(f"/admin/tags/{tag.id}", data=data, headers=editor)
    assert (saved.status_code, saved.headers["location"]) == (303, f"/admin/tags?changed=yes#tag-{tag.id}")
    for old in ("/tags/Maths%20%26%20more", "/tags/maths"):
        moved = await client.get(old)
        assert (moved.status_code, moved.headers["location"]) == (301, "/tags/mathematics")
    feed = await client.get("/tags/maths/feed.atom")
    assert (feed.status_code, feed.headers["location"]) == (301, "/tags/mathematics/feed.atom")
    page = (await client.get("/tags/mathematics")).text
    assert "Numbers &amp; &lt;signs&gt;." in page
    assert 'href="http://127.0.0.1:8000/tags/mathematics"' in page
    assert '<a rel="tag" href="/tags/mathematics" dir="auto">Maths</a>' in (await client.get("/posts/engines")).text
    form = (await client.get(f"/admin/tags/{tag.id}", headers=editor)).text
    assert 'value="mathematics"' in form
    assert (await client.post(f"/admin/tags/{tag.id}", data=data | {"slug": ""}, headers=editor)).status_code == 303
    assert (await client.get("/tags/mathematics")).headers["location"] == "/tags/Maths"


async def test_tags_are_merged_and_deleted(client: httpx2.AsyncClient, editor: dict[str, str], ctx: Context) -> None:
    first, second = await tags.by_address(ctx.db, "maths & more"), await tags.by_address(ctx.db, "looms")
    wrong = await client.post(f"/admin/tags/{first.id}/merge", data={"into": "nothing"}, headers=editor)
    assert wrong.status_code == 422
    assert "No tag has this name" in wrong.text
    assert (await client.post(f"/admin/tags/{first.id}/merge", data={"into": "Looms"}, headers=editor)).status_code == 303
    assert (await client.get("/tags/Maths%20%26%20more")).headers["location"] == "/tags/looms"
    assert "Delete the tag “looms”?" in (await client.get(f"/admin/tags/{second.id}/delete", headers=editor)).text
    assert (await client.post(f"/admin/tags/{second.id}/delete", headers=editor)).status_code == 303
    assert (await client.get("/tags/looms")).status_code == 404


@pytest.mark.parametrize("path", ["", "/1", "/1/merge", "/1/delete"])
async def test_pages_are_for_editors(client: httpx2.AsyncClient, editor: dict[str, str], sign_in: SignIn, path: str) -> None:
    assert (await client.get(f"/admin/tags{path}", headers=editor)).status_code == 200
    assert (await client.get(f"/admin/tags{path}", headers=await sign_in("eve"))).status_code == 403


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "a,b"}, "Remove the comma"),
        ({"name": "looms"}, "has or had this name"),
        ({"name": "x", "slug": "a/b"}, "Use letters"),
        ({"name": "x", "image": "javascript:alert(1)"}, "Image"),
    ],
)
async def test_invalid_values_are_shown_again(
    client: httpx2.AsyncClient, editor: dict[str, str], ctx: Context, data: dict[str, str], message: str
) -> None:
    tag = await tags.by_address(ctx.db, "maths & more")
    answer = await client.post(f"/admin/tags/{tag.id}", data=data, headers=editor)
    assert answer.status_code in (409, 422)
    assert message in answer.text
