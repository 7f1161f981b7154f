"""Images in the JSON API: uploads as forms, descriptions as JSON, and immutable files named by their digest."""

import errno
import hashlib
import io
import os
import re
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
import sqlalchemy as sa
from PIL import Image, ImageSequence

from blog.app import create_app
from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.core.storage import FileSystemStorage
from blog.domain.media import image_decoding, image_processing
from blog.domain.media.image_processing import ProcessedImage
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from tests.conftest import ORIGIN, Bearer, running
from tests.support.pictures import encode, png

MEDIA = "/api/v1/media"
WIDE = png(1000, 10)
SMALL = png(3, 2)
KEY = {"Idempotency-Key": "0b8f1c9e"}
KINDS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif", "AVIF": "image/avif"}


@pytest.fixture
async def ada(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada")


@pytest.fixture
def folder(settings: Settings) -> Callable[[], set[str]]:
    """Return a function that lists the names of all stored files, including unfinished ones."""
    return lambda: {path.name for path in settings.media_dir.iterdir()} if settings.media_dir.exists() else set()


async def send(
    client: httpx2.AsyncClient, headers: dict[str, str], data: bytes = SMALL, name: str = "a.png", **fields: str
) -> httpx2.Response:
    return await client.post(MEDIA, files={"file": (name, data)}, data=fields, headers=headers)


async def rows(ctx: Context) -> int:
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.media)))


def full(*_args: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def local(url: str) -> str:
    """Return the path of a URL. Raises AssertionError if the URL is not on this site."""
    assert url.startswith(f"{ORIGIN}/media/")
    return url.removeprefix(ORIGIN)


# -- sending


@pytest.mark.parametrize("kind", KINDS)
async def test_image_is_returned_with_its_description(client: httpx2.AsyncClient, ada: dict[str, str], kind: str) -> None:
    answer = await send(client, ada, encode(Image.new("RGB", (1000, 10), "teal"), kind), alt="Nothing but teal")
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"{MEDIA}/{made['id']}"
    assert (made["width"], made["height"], made["alt"], made["media_type"]) == (1000, 10, "Nothing but teal", KINDS[kind])
    assert [(copy["width"], copy["height"]) for copy in made["variants"]] == [(960, 10), (480, 5)]
    for file in (made, *made["variants"]):
        served = await client.get(local(file["url"]))
        assert served.status_code == 200
        with Image.open(io.BytesIO(served.content)) as image:
            assert image.size == (file["width"], file["height"])
            red, green, blue = image.convert("RGB").crop((2, 2, 3, 3)).tobytes()
            assert red < 12
            assert abs(green - 128) < 12
            assert abs(blue - 128) < 12
    assert (await client.get(answer.headers["location"], headers=ada)).json() == made


async def test_animation_stays_animated(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    frames = [Image.new("RGB", (600, 8), colour) for colour in ("red", "lime", "blue")]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    made = (await send(client, ada, data)).json()
    assert (made["media_type"], made["variants"]) == ("image/gif", [])
    with Image.open(io.BytesIO((await client.get(local(made["url"]))).content)) as image:
        assert len(list(ImageSequence.Iterator(image))) == 3


async def test_location_of_a_photo_is_removed(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "secret-4711", 6
    data = encode(Image.new("RGB", (600, 300)), "JPEG", exif=exif, comment=b"secret-4711") + b"<script>secret-4711</script>"
    made = (await send(client, ada, data)).json()
    assert (made["width"], made["height"]) == (300, 600), "upright"
    assert b"secret-4711" not in (await client.get(local(made["url"]))).content


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "a.png"),
        (b"just text", "a.png"),
        (b"<!doctype html><script>alert(1)</script>", "a.png"),
        (encode(Image.new("RGB", (8, 8)), "BMP"), "a.png"),
        (encode(Image.new("RGB", (8, 8)), "TIFF"), "a.png"),
        (WIDE[: len(WIDE) // 2], "a.png"),
    ],
    ids=["empty", "text", "HTML", "BMP", "TIFF", "half a PNG"],
)
@pytest.mark.filterwarnings("ignore")
async def test_other_files_are_refused_with_any_name(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]], data: Any, name: str
) -> None:
    answer = await client.post(MEDIA, files={"file": (name, data, "image/png")}, headers=ada)
    assert answer.status_code == 422
    (fault,) = answer.json()["errors"]
    assert (fault["loc"], fault["type"]) == (["body", "file"], "image")
    assert (await rows(ctx), folder()) == (0, set())


async def test_image_of_too_many_pixels_is_refused(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_decoding, "MAX_PIXELS", 3 * 64 - 1)
    monkeypatch.setattr(image_decoding, "MAX_ANIMATION_PIXELS", 3 * 64 - 1)
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    moving = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=100)
    for data, message in (
        (png(192, 1), "An image may have at most 191 pixels"),
        (moving, "An animation may have at most 191 pixels, all frames together"),
    ):
        answer = await send(client, ada, data)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["msg"] == message
    assert (await rows(ctx), folder()) == (0, set())
    assert (await send(client, ada, png(191, 1))).status_code == 201


async def test_body_beyond_the_limit_is_too_large(
    settings: Settings, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]]
) -> None:
    async def pieces(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    small = settings.model_copy(update={"max_upload_bytes": 100_000, "max_file_bytes": 100_000})
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(200_000) + b"\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    async with running(create_app(small)) as client:
        for content in (body, pieces(body)):  # with a length that is declared, and without
            for key in ({}, KEY):
                answer = await client.post(MEDIA, content=content, headers=ada | kind | key)
                assert answer.status_code == 413
                assert answer.headers["content-type"] == "application/problem+json"
                if content is not body:
                    break
        assert (await send(client, ada)).status_code == 201
    assert await rows(ctx) == len(folder()) == 1


async def test_image_may_be_larger_than_other_bodies(settings: Settings, ada: dict[str, str]) -> None:
    """The smaller limit of JSON bodies does not apply to images."""
    noise = encode(Image.effect_noise((400, 400), 200), "PNG")
    small = settings.model_copy(update={"max_body_bytes": 100_000})
    assert len(noise) > small.max_body_bytes
    async with running(create_app(small)) as client:
        for key, status in (({}, 201), (KEY, 200)):
            assert (await send(client, ada | key, noise)).status_code == status


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"file": "x"}}, 415),
        ({"content": SMALL, "headers": {"Content-Type": "image/png"}}, 415),
        ({"content": SMALL}, 415),
        ({"data": {"file": "x"}}, 415),
        ({"files": [("file", SMALL), ("file", SMALL)]}, 400),
        ({"files": {"file": SMALL, "other": SMALL}}, 400),
        ({"files": {"other": SMALL}}, 422),
        ({"files": {"alt": SMALL}}, 422),
        ({"files": {"file": (None, SMALL)}}, 422),
        ({"files": {"file": SMALL}, "data": {"title": "A"}}, 422),
        ({"files": {"file": SMALL}, "data": {"alt": ["A", "B"]}}, 422),
        ({"content": b"--b\r\nContent-", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400),
        ({"content": b"--b--\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422),
        ({"content": b"--b--\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400),
    ],
    ids=["JSON", "bare image", "no type", "urlencoded", "file twice", "two files", "file elsewhere", "no file", "file as text",
         "unknown field", "text twice", "broken off", "empty form", "no boundary"],
)  # fmt: skip
async def test_other_bodies_are_refused(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]], sent: Any, status: int
) -> None:
    headers = ada | sent.get("headers", {})
    for key in ({}, KEY):
        answer = await client.post(MEDIA, **sent | {"headers": headers | key})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (await rows(ctx), folder()) == (0, set())


async def test_truncated_upload_stores_nothing(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]]
) -> None:
    whole = client.build_request("POST", MEDIA, files={"file": WIDE}, headers=ada)
    body = whole.read()
    for cut in (len(body) - 4, len(body) - 30, len(body) // 2):
        answer = await client.post(MEDIA, content=body[:cut], headers=ada | {"Content-Type": whole.headers["content-type"]})
        assert answer.status_code == 400
        assert "incomplete" in answer.json()["detail"]
    assert (await rows(ctx), folder()) == (0, set())


@pytest.mark.parametrize(
    "name", ["../../../../tmp/evil.png", "..\\evil.png", "a\0.png", "/etc/passwd", "évil \u202e.png", "x" * 3_000]
)
async def test_filename_is_not_used_for_the_stored_file(
    client: httpx2.AsyncClient, ada: dict[str, str], settings: Settings, folder: Callable[[], set[str]], name: str
) -> None:
    before = set(settings.media_dir.parent.iterdir())
    made = (await send(client, ada, SMALL, name)).json()
    assert folder() == {local(made["url"]).removeprefix("/media/")}
    assert re.fullmatch(r"/media/[0-9a-f]{64}\.png", local(made["url"]))
    assert set(settings.media_dir.parent.iterdir()) - before == {settings.media_dir}


@pytest.mark.parametrize(
    ("alt", "kept"),
    [
        ("", ""),
        ("  A   teal\u00a0plane  ", "A teal plane"),
        ("é🥊" * 250, "é🥊" * 250),
        ("<b>&amp;", "<b>&amp;"),
        ("a" * 501, None),
        ("a\0", None),
        ("a\nb", None),
        ("a\u2028b", None),
        ("\x1b[31m", None),
    ],
)
async def test_text_is_one_line_of_at_most_500_characters(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, alt: str, kept: str | None
) -> None:
    sent = await send(client, ada, alt=alt)
    made = sent if kept is not None else await send(client, ada)
    changed = await client.patch(made.headers["location"], json={"alt": alt}, headers=ada)
    if kept is None:
        assert (sent.status_code, changed.status_code) == (422, 422)
        assert sent.json()["errors"][0]["loc"] == changed.json()["errors"][0]["loc"] == ["body", "alt"]
    else:
        assert (sent.status_code, changed.status_code) == (201, 200)
        assert sent.json()["alt"] == changed.json()["alt"] == kept
    assert await rows(ctx) == 1


async def test_patch_ignores_absent_and_refuses_invalid_members(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    where = (await send(client, ada, alt="A")).headers["location"]
    assert (await client.patch(where, json={}, headers=ada)).json()["alt"] == "A"
    for wrong in ({"alt": None}, {"alt": 3}, {"width": 5}):
        assert (await client.patch(where, json=wrong, headers=ada)).status_code == 422
    assert (await client.patch(where, json={"alt": ""}, headers=ada)).json()["alt"] == ""


async def test_entry_has_the_file_name_size_uploader_and_time(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    answer = await send(client, ada, WIDE, "C:\\photos\\Brass wheel.png")
    made = answer.json()
    assert (made["file_name"], made["uploader"]) == ("Brass wheel.png", "ada")
    assert made["bytes"] == len((await client.get(local(made["url"]))).content)
    assert made["created_at"].endswith("Z")
    assert (await send(client, ada, SMALL, "a.png", file_name="wheel.png")).json()["file_name"] == "wheel.png"
    changed = await client.patch(answer.headers["location"], json={"file_name": "../wheel.png"}, headers=ada)
    assert changed.json() == made | {"file_name": "wheel.png"}


async def test_repeated_upload_keeps_the_first_entry_and_completes_it(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    first = (await send(client, ada, name="first.png")).json()
    again = await send(client, ada, name="second.png", alt="Teal")
    assert (again.status_code, again.json()) == (200, first | {"alt": "Teal"})
    assert (await send(client, ada, alt="Blue")).json() == first | {"alt": "Teal"}


# -- who


async def test_upload_without_permission_is_refused_before_the_body_is_read(
    client: httpx2.AsyncClient, bearer: Bearer, ctx: Context, folder: Callable[[], set[str]]
) -> None:
    reader = await bearer("rob", Role.READER)
    narrow = await bearer("eve", scopes=[Scope.POSTS_WRITE])
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"this is no form at all"

    for headers, status in (({}, 401), ({"Authorization": "Bearer x"}, 401), (reader, 403), (narrow, 403)):
        answer = await client.post(MEDIA, content=body(), headers=headers | {"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status_code == status
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert (await send(client, headers | KEY)).status_code == status
        assert (await client.get(MEDIA, headers=headers)).status_code == (200 if headers is reader else status)
    assert (read, await rows(ctx), folder()) == (0, 0, set())


async def test_list_has_own_images_newest_first_in_pages(client: httpx2.AsyncClient, ada: dict[str, str], bearer: Bearer) -> None:
    edo = await bearer("edo", Role.EDITOR)
    mine = [(await send(client, ada, png(number + 1, 9))).json() for number in range(5)]
    theirs = (await send(client, edo)).json()
    found, target = [], f"{MEDIA}?limit=2"
    while target:
        answer = await client.get(target, headers=ada)
        found += answer.json()["items"]
        assert len(answer.json()["items"]) <= 2
        await send(client, ada, png(9, len(found)))
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        assert (link is not None) == (answer.json()["next"] is not None)
        target = link[1] if link else ""
    assert found == mine[::-1]
    assert (await client.get(MEDIA, headers=edo)).json()["items"] == [theirs], "also for editors"
    for wrong in ("cursor=x", "limit=0", "limit=101", "page=2"):
        assert (await client.get(f"{MEDIA}?{wrong}", headers=ada)).status_code == 422


async def test_list_is_filtered_by_text_and_for_editors_by_uploader(
    client: httpx2.AsyncClient, ada: dict[str, str], bearer: Bearer
) -> None:
    edo = await bearer("edo", Role.EDITOR)
    await send(client, ada, png(1, 1), "Brass wheel.png", alt="Two hundred teeth")
    await send(client, ada, png(2, 1), "100%.png")
    await send(client, edo, png(3, 1), "wheel.png")

    async def names(headers: dict[str, str], **query: str) -> list[str]:
        answer = await client.get(MEDIA, params=query, headers=headers)
        return [item["file_name"] for item in answer.json()["items"]]

    assert await names(ada, q="WHEEL") == ["Brass wheel.png"]
    assert await names(ada, q="teeth brass") == ["Brass wheel.png"]
    assert await names(ada, q="0%") == ["100%.png"]
    assert await names(ada, q="%teeth") == []
    assert await names(ada, uploader="Ada") == ["100%.png", "Brass wheel.png"]
    assert await names(edo, q="wheel", uploader="*") == ["wheel.png", "Brass wheel.png"]
    assert await names(edo, uploader="ada") == ["100%.png", "Brass wheel.png"]
    for uploader in ("*", "edo"):
        assert (await client.get(MEDIA, params={"uploader": uploader}, headers=ada)).status_code == 403
    assert (await client.get(MEDIA, params={"uploader": "a b"}, headers=edo)).status_code == 422


async def test_editors_can_access_images_of_others_by_id(
    client: httpx2.AsyncClient,
    ada: dict[str, str],
    bearer: Bearer,
    folder: Callable[[], set[str]],
) -> None:
    made = (await send(client, ada, alt="A")).json()
    where = f"{MEDIA}/{made['id']}"
    eve, edo = await bearer("eve"), await bearer("edo", Role.EDITOR)
    for method, body in (("GET", None), ("PATCH", {"alt": "B"}), ("DELETE", None)):
        assert (await client.request(method, where, json=body, headers=eve)).status_code == 404
        assert (await client.request(method, f"{MEDIA}/{made['id'] + 1}", json=body, headers=edo)).status_code == 404
    assert (await client.get(where, headers=edo)).json() == made
    assert (await client.patch(where, json={"alt": "C"}, headers=edo)).json() == made | {"alt": "C"}
    assert (await client.delete(where, headers=edo)).status_code == 204
    assert (await client.get(where, headers=ada)).status_code == 404
    assert folder() == set()


# -- which files


async def test_same_image_again_is_the_first_entry(client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context) -> None:
    first, again = await send(client, ada, WIDE, alt="A"), await send(client, ada, WIDE, name="other.png", alt="B")
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert await rows(ctx) == 1
    await client.delete(first.headers["location"], headers=ada)
    assert (await send(client, ada, WIDE)).status_code == 201, "a deleted entry is made again"


async def test_same_image_of_two_people_has_two_rows_and_one_file(
    client: httpx2.AsyncClient,
    ada: dict[str, str],
    bearer: Bearer,
    ctx: Context,
    folder: Callable[[], set[str]],
) -> None:
    one, other = (await send(client, ada)).json(), (await send(client, await bearer("eve"))).json()
    assert (one["url"], one["id"] == other["id"]) == (other["url"], False)
    assert (await rows(ctx), len(folder())) == (2, 1)


async def test_file_of_a_deleted_image_stays_while_it_is_used(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context
) -> None:
    shown, lone = (await send(client, ada, WIDE)).json(), (await send(client, ada)).json()
    copy = local(shown["variants"][0]["url"])
    post = await client.post("/api/v1/posts", json={"title": "A", "content": f"![teal]({copy})"}, headers=ada)
    await client.patch(post.headers["location"], json={"content": "Nothing."}, headers=ada)
    for image in (shown, lone):
        assert (await client.delete(f"{MEDIA}/{image['id']}", headers=ada)).status_code == 204
        assert (await client.delete(f"{MEDIA}/{image['id']}", headers=ada)).status_code == 404
        assert (await client.get(local(image["url"]))).status_code == 404
    assert (await client.get(copy)).status_code == 200, "an old version of a post shows it"
    assert await rows(ctx) == 0


async def test_image_can_be_shown_in_a_post(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    address = local((await send(client, ada)).json()["url"])
    post = await client.post("/api/v1/posts", json={"title": "A", "content": f"![Teal]({address})"}, headers=ada)
    assert f'src="{address}"' in post.json()["html"]
    page = await client.get(post.json()["url"])
    assert f'src="{address}"' in page.text
    assert "img-src 'self'" in page.headers["content-security-policy"]


# -- serving


@pytest.mark.parametrize("kind", KINDS)
async def test_file_is_served_with_its_type_and_as_immutable(client: httpx2.AsyncClient, ada: dict[str, str], kind: str) -> None:
    path = local((await send(client, ada, encode(Image.new("RGB", (600, 8), "teal"), kind))).json()["url"])
    served = await client.get(path)
    assert served.status_code == 200
    assert served.headers["content-type"] == KINDS[kind]
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert served.headers["content-length"] == str(len(served.content))
    assert "sandbox" in served.headers["content-security-policy"]
    assert not {"content-disposition", "set-cookie"} & served.headers.keys()
    assert path == f"/media/{hashlib.sha256(served.content).hexdigest()}.{path.rpartition('.')[2]}"
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "cache-control", "etag", "last-modified"):
        assert head.headers[name] == served.headers[name]


async def test_cached_file_is_answered_with_304(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    path = local((await send(client, ada)).json()["url"])
    tag = (await client.get(path)).headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await client.get(path, headers={"If-None-Match": sent})
        assert (answer.status_code, answer.content) == (304, b"")
        assert (answer.headers["etag"], "immutable" in answer.headers["cache-control"]) == (tag, True)
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
async def test_media_type_does_not_depend_on_the_system(
    client: httpx2.AsyncClient, ada: dict[str, str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 and minimal systems do not know WebP; with `nosniff` an image of a wrong type is not shown."""
    monkeypatch.setattr("starlette.responses.guess_type", lambda _path: (None, None))
    path = local((await send(client, ada, encode(Image.new("RGB", (8, 8)), kind))).json()["url"])
    assert (await client.get(path)).headers["content-type"] == KINDS[kind]


async def test_range_of_a_file_is_served(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    path = local((await send(client, ada)).json()["url"])
    answer = await client.get(path, headers={"Range": "bytes=1-3"})
    assert (answer.status_code, answer.content) == (206, b"PNG")


@pytest.mark.parametrize(
    "name",
    ["", "a.png", "0" * 64, f"{'0' * 64}.png", f"{'0' * 64}.txt", f"{'0' * 63}.png", f"{'A' * 64}.png", f"{'0' * 64}.png%00",
     "..%2fblog.db", "../blog.db", "%2e%2e/blog.db", "..%5cblog.db", "x.txt", "tmpunfinished"],
)  # fmt: skip
async def test_other_names_are_not_found(client: httpx2.AsyncClient, ada: dict[str, str], settings: Settings, name: str) -> None:
    await send(client, ada)
    for other in ("x.txt", "tmpunfinished", f"{'0' * 64}.txt", "0" * 64, "a.png"):
        (settings.media_dir / other).write_bytes(b"no image of ours")
    answer = await client.get(f"/media/{name}", follow_redirects=True)
    assert answer.status_code == (400 if "%00" in name else 404)
    assert "immutable" not in answer.headers.get("cache-control", "")
    assert b"no image of ours" not in answer.content


async def test_files_accept_only_get_and_head(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    path = local((await send(client, ada)).json()["url"])
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = await client.request(method, path, headers=ada)
        assert (answer.status_code, "GET" in answer.headers["allow"]) == (405, True)
    assert (await client.get(path)).status_code == 200


# -- a store that fails


async def test_storage_failure_is_reported_and_leaves_nothing(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ({}, KEY):
        with monkeypatch.context() as broken:
            broken.setattr(os, "replace", full)
            answer = await send(client, ada | key, WIDE)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert int(answer.headers["retry-after"]) > 0
        assert "No space left" in answer.json()["detail"]
        assert (await rows(ctx), folder()) == (0, set())
    answer = await send(client, ada | KEY, WIDE)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (201, False), "the failure was not kept"
    assert (await rows(ctx), len(folder())) == (1, 3)


async def test_storage_failure_after_the_insert_leaves_no_row(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, calls = FileSystemStorage.put, 0

    def later(self: FileSystemStorage, name: str, data: bytes) -> None:
        nonlocal calls
        calls += 1
        return put(self, name, data) if calls == 1 else full()

    for key in ({}, KEY):
        with monkeypatch.context() as broken:
            broken.setattr(FileSystemStorage, "put", later)
            assert (await send(client, ada | key)).status_code == 503
        assert (calls, await rows(ctx)) == (2, 0)
        calls = 0
    assert (await client.get(MEDIA, headers=ada)).json()["items"] == []


async def test_unusable_media_directory_is_reported(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, settings: Settings
) -> None:
    settings.media_dir.write_text("a file where the folder should be")
    answer = await send(client, ada)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert str(settings.media_dir) not in answer.text, "the path of the file is not shown"
    assert await rows(ctx) == 0


async def test_image_that_cannot_be_removed_can_be_deleted_later(
    client: httpx2.AsyncClient, ada: dict[str, str], folder: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = (await send(client, ada)).headers["location"]
    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "remove", full)
        assert (await client.delete(where, headers=ada)).status_code == 503
    assert (await client.get(where, headers=ada)).status_code == 200
    assert (await client.delete(where, headers=ada)).status_code == 204
    assert folder() == set()


# -- once


async def test_repeated_key_creates_one_image(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context, folder: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await send(client, ada | KEY, WIDE, alt="A")
    monkeypatch.setattr(image_processing, "process", lambda _data: pytest.fail("decoded again"))
    again = await send(client, ada | KEY, WIDE, alt="A")
    assert first.request.headers["content-type"] != again.request.headers["content-type"], "with another boundary"
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert again.headers["location"] == first.headers["location"]
    assert (await rows(ctx), len(folder())) == (1, 3)


async def test_concurrent_requests_with_one_key_create_one_image(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context
) -> None:
    answers: list[httpx2.Response] = []

    async def one() -> None:
        answers.append(await send(client, ada | KEY))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(one)
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert await rows(ctx) == 1


async def test_same_key_for_another_image_or_text_is_refused(
    client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context
) -> None:
    await send(client, ada | KEY, alt="A")
    for data, alt in ((SMALL, "B"), (WIDE, "A")):
        answer = await send(client, ada | KEY, data, alt=alt)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert await rows(ctx) == 1


async def test_refused_image_does_not_use_up_its_key(client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context) -> None:
    assert (await send(client, ada | KEY, b"no image")).status_code == 422
    assert (await send(client, ada | KEY)).status_code == 201
    assert await rows(ctx) == 1


# -- meanwhile


@pytest.mark.parametrize("key", [{}, KEY], ids=["plain", "with a key"])
async def test_image_decoding_does_not_block_other_requests(
    client: httpx2.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch, key: dict[str, str]
) -> None:
    develop, begun, release = image_processing.process, threading.Event(), threading.Event()
    answers: list[httpx2.Response] = []

    def waiting(data: bytes) -> ProcessedImage:
        begun.set()
        assert release.wait(20), "the event loop stood still"
        return develop(data)

    async def sending() -> None:
        answers.append(await send(client, ada | key))

    monkeypatch.setattr(image_processing, "process", waiting)
    async with anyio.create_task_group() as group:
        group.start_soon(sending)
        assert await anyio.to_thread.run_sync(begun.wait, 20)
        written = await client.post("/api/v1/posts", json={"title": "A", "content": "Meanwhile."}, headers=ada)
        assert written.status_code == 201
        assert (await client.get(MEDIA, headers=ada)).json()["items"] == []
        assert answers == []
        release.set()
    assert [answer.status_code for answer in answers] == [201]
