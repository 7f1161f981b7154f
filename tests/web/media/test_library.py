"""The media library: upload, search, alt text, uses, replacement and deletion, all without JavaScript."""

import html
import re

import httpx2
import pytest

from blog.schemas.accounts import Role
from blog.schemas.feature_flags import Flag
from tests.support import matching
from tests.support.pictures import png
from tests.web.conftest import SignIn
from tests.web.test_forms import value

LIBRARY = "/media-library"


async def upload(client: httpx2.AsyncClient, headers: dict[str, str], data: bytes, name: str = "a.png", alt: str = "") -> str:
    """Upload an image by the form, and return the path of its page."""
    answer = await client.post(LIBRARY, data={"alt": alt}, files={"file": (name, data, "image/png")}, headers=headers)
    assert answer.status_code == 303
    return str(answer.headers["location"])


def file_names(page: str) -> list[str]:
    return re.findall(r'class="media-name"[^>]*>([^<]+)<', page)


async def test_uploaded_image_has_a_page_with_its_markdown(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    assert "No files yet" in (await client.get(LIBRARY, headers=ada)).text
    where = await upload(client, ada, png(700, 500), "square.png", "A [red] square")
    page = (await client.get(where, headers=ada)).text
    assert "File uploaded." in page
    assert "Not used anywhere." in page
    markdown = html.unescape(matching.search(r'value="(!\[[^"]+)" readonly', page)[1])
    assert markdown.startswith(r"![A \[red\] square](/media/")
    shown = await client.post("/write/preview", json={"content": markdown}, headers=ada)
    assert 'alt="A [red] square"' in shown.text
    assert (await client.get(matching.search(r'src="([^"]+)"', shown.text)[1])).headers["content-type"] == "image/png"
    again = await upload(client, ada, png(700, 500), "other.png")
    assert "already uploaded this file" in (await client.get(again, headers=ada)).text
    assert file_names((await client.get(LIBRARY, headers=ada)).text) == ["square.png"]
    assert (await client.get(where, headers=await sign_in("bob"))).status_code == 404


async def test_invalid_image_has_a_message_and_keeps_the_text(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    file = ("a.png", b"no image", "image/png")
    answer = await client.post(LIBRARY, data={"alt": "Kept words"}, files={"file": file}, headers=await sign_in("ada"))
    assert answer.status_code == 422
    assert 'id="error-file"' in answer.text
    assert value(answer.text, "alt") == "Kept words"


async def test_one_refused_file_does_not_lose_the_others(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    assert matching.search(r'<input id="field-file"[^>]* multiple', (await client.get(LIBRARY, headers=ada)).text)
    files = [("file", (f"{name}.png", data, "image/png")) for name, data in (("a", png(1, 1)), ("b", b"x"), ("c", png(3, 1)))]
    answer = await client.post(LIBRARY, data={"alt": ""}, files=files, headers=ada)
    assert answer.status_code == 422
    assert file_names(answer.text) == ["c.png", "a.png"]
    assert "b.png: " in matching.search(r'id="error-file">([^<]+)<', answer.text)[1]
    assert "2 of 3 files were uploaded." in answer.text
    answer = await client.post(LIBRARY, data={"alt": ""}, files=[files[0], files[2]], headers=ada)
    assert "2 files uploaded." in (await client.get(answer.headers["location"], headers=ada)).text
    many = [("file", (f"{number}.png", png(1, 1), "image/png")) for number in range(21)]
    assert (await client.post(LIBRARY, data={"alt": ""}, files=many, headers=ada)).status_code == 400


async def test_library_needs_the_author_role_and_can_be_disabled(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    assert (await client.get(LIBRARY)).headers["location"] == "/login?next=%2Fmedia-library"
    assert (await client.get(LIBRARY, headers=await sign_in("rae", Role.READER))).status_code == 403
    owner = await sign_in("own", Role.OWNER)
    where = (await upload(client, owner, png(9, 9))).partition("?")[0]
    await client.post(f"/admin/flags/{Flag.UPLOADS.value}", data={"enabled": "false"}, headers=owner)
    for path in (LIBRARY, f"{where}/replace"):
        refused = await client.post(path, files={"file": ("a.png", png(8, 8), "image/png")}, headers=owner)
        assert refused.status_code == 403
        assert "Uploads are turned off" in refused.text


async def test_search_and_person_select_images(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada, edo = await sign_in("ada"), await sign_in("edo", Role.EDITOR)
    await upload(client, ada, png(1, 1), "wheel.png", "Brass")
    await upload(client, ada, png(2, 1), "loom.png", "Wood")
    await upload(client, edo, png(3, 1), "brass.png")
    for headers, query, found in (
        (ada, "", ["loom.png", "wheel.png"]),
        (ada, "?q=brass", ["wheel.png"]),
        (ada, "?uploader=edo", ["loom.png", "wheel.png"]),
        (edo, "", ["brass.png", "loom.png", "wheel.png"]),
        (edo, "?q=brass&uploader=*", ["brass.png", "wheel.png"]),
        (edo, "?uploader=ada", ["loom.png", "wheel.png"]),
    ):
        assert file_names((await client.get(LIBRARY + query, headers=headers)).text) == found, query
    page = (await client.get(f"{LIBRARY}?q=zebra", headers=ada)).text
    assert "No matching files." in page
    assert "Uploaded by" not in page
    assert "<option selected>ada</option>" in (await client.get(f"{LIBRARY}?uploader=ada", headers=edo)).text


async def test_library_has_pages_that_keep_the_search(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    for number in range(26):
        await upload(client, ada, png(number + 1, 1), f"{number}.png")
    first = (await client.get(f"{LIBRARY}?q=png", headers=ada)).text
    path = html.unescape(matching.search(r'rel="next" href="([^"]+)"', first)[1])
    assert path.startswith(f"{LIBRARY}?q=png&cursor=")
    assert file_names(first) + file_names((await client.get(path, headers=ada)).text) == [f"{n}.png" for n in reversed(range(26))]


async def test_alt_text_and_file_name_are_edited(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    where = (await upload(client, ada, png(9, 9))).partition("?")[0]
    answer = await client.post(where, data={"alt": "Teal", "file_name": "teal.png"}, headers=ada)
    page = (await client.get(answer.headers["location"], headers=ada)).text
    assert "Changes saved." in page
    assert (value(page, "alt"), value(page, "file_name")) == ("Teal", "teal.png")
    wrong = await client.post(where, data={"alt": "x" * 501}, headers=ada)
    assert wrong.status_code == 422
    assert "at most 500" in wrong.text


async def test_deletion_lists_the_uses_and_is_confirmed(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    where = (await upload(client, ada, png(9, 9))).partition("?")[0]
    assert "You can't undo it" in (await client.get(f"{where}/delete", headers=ada)).text
    page = (await client.get(where, headers=ada)).text
    markdown = html.unescape(matching.search(r'value="(!\[[^"]+)" readonly', page)[1])
    await client.post("/write", data={"title": "On wheels", "content": markdown, "status": "published"}, headers=ada)
    warning = (await client.get(f"{where}/delete", headers=ada)).text
    assert "This file is in use." in warning
    assert '<a href="/posts/on-wheels" dir="auto">On wheels</a>' in warning
    answer = await client.post(f"{where}/delete", headers=ada)
    page = (await client.get(answer.headers["location"], headers=ada)).text
    assert "File deleted." in page
    assert file_names(page) == []
    source = matching.search(r"\((/media/[^)]+)\)", markdown)[1]
    assert (await client.get(source)).status_code == 200, "the post still shows it"
    for path in (where, f"{where}/delete"):
        assert (await client.get(path, headers=ada)).status_code == 404


async def test_replacement_is_shown_in_posts_and_reported(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    where = (await upload(client, ada, png(9, 9))).partition("?")[0]
    page = (await client.get(where, headers=ada)).text
    markdown = html.unescape(matching.search(r'value="(!\[[^"]+)" readonly', page)[1])
    await client.post("/write", data={"title": "On wheels", "content": markdown, "status": "published"}, headers=ada)
    assert 'width="9"' in (await client.get("/posts/on-wheels")).text
    answer = await client.post(f"{where}/replace", files={"file": ("b.png", png(8, 8), "image/png")}, headers=ada)
    page = (await client.get(answer.headers["location"], headers=ada)).text
    assert "File replaced in one text." in page
    assert 'width="8"' in (await client.get("/posts/on-wheels")).text
    wrong = await client.post(f"{where}/replace", files={"file": ("b.png", b"no image", "image/png")}, headers=ada)
    assert (wrong.status_code, 'id="error-file"' in wrong.text) == (422, True)
    forged = await client.get(f"{where}?replaced=<b>&unchanged=1", headers=ada)
    assert "File replaced" not in forged.text


@pytest.mark.parametrize("path", ["", "/delete", "/replace"])
async def test_pages_of_missing_images_are_not_found(client: httpx2.AsyncClient, sign_in: SignIn, path: str) -> None:
    assert (await client.get(f"{LIBRARY}/77{path}", headers=await sign_in("ada"))).status_code == 404
