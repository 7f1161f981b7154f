"""The feature image of a post, chosen in the media library or uploaded there, without JavaScript."""

import html

import httpx2
import pytest

from blog.schemas.accounts import Role
from tests.conftest import ORIGIN
from tests.support import matching
from tests.support.pictures import png
from tests.web.conftest import SignIn, Write
from tests.web.media.test_library import LIBRARY, file_names, upload
from tests.web.test_forms import value

NEW = {"title": "On looms", "content": "Typed, not saved.", "status": "draft"}
EDIT = {"title": "On engines", "content": "Typed.", "slug": "on-engines", "status": "published", "version": "1"}


async def open_library(client: httpx2.AsyncClient, path: str, headers: dict[str, str], form: dict[str, str]) -> str:
    """Press the button of the form, and return the address of the library."""
    answer = await client.post(path, data=form, headers=headers)
    assert answer.status_code == 303
    return str(answer.headers["location"])


def choice(page: str, name: str) -> str:
    """Return the address of the link that chooses a file."""
    return html.unescape(matching.search(rf'<a href="([^"]+)"[^>]*>(?:(?!</a>).)*>{name}<', page.replace("\n", ""))[1])


async def test_image_of_a_new_post_is_chosen_in_the_library(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    await upload(client, ada, png(1200, 630), "loom.png", "A loom")
    file = {"file": ("notes.pdf", b"%PDF-1.4\n", "application/pdf")}
    assert (await client.post(LIBRARY, data={}, files=file, headers=ada)).status_code == 303
    library = await open_library(client, "/write/feature-image", ada, NEW)
    page = (await client.get(library, headers=ada)).text
    assert "Choose an image" in page
    assert file_names(page) == ["loom.png"], "a PDF is not an image"
    form = (await client.get(choice(page, "loom.png"), headers=ada)).text
    assert (value(form, "title"), value(form, "feature_image_alt")) == ("On looms", "A loom")
    assert "Typed, not saved." in form
    sent = NEW | {name: value(form, name) for name in ("feature_image_url", "feature_image_alt", "autosave")}
    saved = await client.post("/write", data=sent | {"status": "published"}, headers=ada)
    post = (await client.get(saved.headers["location"], headers=ada)).text
    assert f'<img src="{sent["feature_image_url"]}" width="1200" height="630"' in post
    assert 'alt="A loom" fetchpriority="high"' in post


async def test_uploaded_image_is_the_chosen_one(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines")
    ada = await sign_in("edo", Role.EDITOR)
    library = await open_library(client, "/posts/on-engines/edit/feature-image", ada, EDIT)
    page = (await client.get(library, headers=ada)).text
    action = html.unescape(matching.search(r'<form class="stacked-form" method="post" action="([^"]+)"', page)[1])
    file = {"file": ("mill.png", png(30, 20), "image/png")}
    uploaded = await client.post(action, data={"alt": "A mill"}, files=file, headers=ada)
    form = (await client.get(uploaded.headers["location"].partition("#")[0], headers=ada)).text
    assert value(form, "feature_image_url").startswith("/media/")
    assert (value(form, "feature_image_alt"), value(form, "title")) == ("A mill", "On engines")
    assert "Typed." in form
    refused = await client.post(action, data={}, files={"file": ("a.png", b"no image", "image/png")}, headers=ada)
    assert refused.status_code == 422
    assert "Choose an image" in refused.text


async def test_search_and_pages_of_the_choice_lead_back_to_the_form(client: httpx2.AsyncClient, sign_in: SignIn) -> None:
    ada = await sign_in("ada")
    for number in range(26):
        await upload(client, ada, png(number + 1, 1), f"{number}.png")
    first = (await client.get(f"{LIBRARY}?choose=/write&q=png", headers=ada)).text
    assert '<input type="hidden" name="choose" value="/write">' in first
    second = (await client.get(html.unescape(matching.search(r'rel="next" href="([^"]+)"', first)[1]), headers=ada)).text
    assert choice(second, "0.png") == "/write?feature_image=1#field-feature_image"


@pytest.mark.parametrize("elsewhere", ["//evil.example/", "https://evil.example/", "javascript:alert(1)"])
async def test_choice_never_leaves_the_site(client: httpx2.AsyncClient, sign_in: SignIn, elsewhere: str) -> None:
    ada = await sign_in("ada")
    await upload(client, ada, png(9, 9))
    page = (await client.get(LIBRARY, params={"choose": elsewhere}, headers=ada)).text
    assert "Choose an image" not in page
    assert 'href="/media-library/1"' in page


@pytest.mark.parametrize("wrong", ["1", "77", "x", "99999999999999999999"])
async def test_image_of_others_is_not_chosen(client: httpx2.AsyncClient, sign_in: SignIn, wrong: str) -> None:
    await upload(client, await sign_in("ada"), png(9, 9), alt="Secret")
    answer = await client.get(f"/write?feature_image={wrong}", headers=await sign_in("bob"))
    assert answer.status_code == 200
    assert value(answer.text, "feature_image_url") == ""
    assert "Secret" not in answer.text


@pytest.mark.parametrize(("path", "form"), [("/write/feature-image", NEW), ("/posts/on-engines/edit/feature-image", EDIT)])
async def test_text_is_kept_when_the_session_has_expired(
    client: httpx2.AsyncClient, write: Write, path: str, form: dict[str, str]
) -> None:
    await write("On engines")
    answer = await client.post(path, data=form, headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert form["content"] in answer.text
