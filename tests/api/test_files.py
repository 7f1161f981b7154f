"""Files other than bitmaps in the JSON API: types by content, downloads, ranges, and both storages."""

import io
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import httpx2
import pytest
from pydantic import SecretStr

from blog.app import create_app
from blog.domain.core.context import Context
from blog.domain.core.storage import FileSystemStorage
from blog.domain.media import media
from blog.ops import archive
from blog.ops.backup import create_backup
from blog.ops.integrity_check import check_site
from blog.schemas.media import NewMedia
from blog.settings import Settings
from tests.api.test_media import MEDIA, local, send
from tests.conftest import Bearer, running
from tests.support.bucket import BucketServer
from tests.support.pictures import png

pytestmark = pytest.mark.sqlite

FRAME = b"\xff\xfb\x90\x00" + bytes(413)  # 128 kbit/s at 44.1 kHz: 417 bytes
OGG = b"OggS\0\2" + bytes(22)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"><rect onclick="evil()" width="1" height="1"/></svg>'


def make_zip(content: bytes = b"x", name: str = "a.txt") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def ftyp(brand: bytes) -> bytes:
    return struct.pack(">I", 20) + b"ftyp" + brand + bytes(4) + b"isom" + bytes(100)


FILES = {
    "pdf": (b"%PDF-1.7\n%%EOF", "application/pdf"),
    "mp3": (FRAME * 3, "audio/mpeg"),
    "mp3 with tags": (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + FRAME, "audio/mpeg"),
    "m4a": (ftyp(b"M4A "), "audio/mp4"),
    "ogg": (OGG + b"OpusHead" + bytes(50), "audio/ogg"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(28), "audio/wav"),
    "flac": (b"fLaC" + bytes(40), "audio/flac"),
    "mp4": (ftyp(b"isom"), "video/mp4"),
    "webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm" + bytes(50), "video/webm"),
    "zip": (make_zip(), "application/zip"),
    "zip without files": (b"PK\x05\x06" + bytes(18), "application/zip"),
}
HOSTILE = {
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "HTML with SVG": b"<html><body><svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg></body></html>",
    "PDF after other bytes": b"\n%PDF-1.7",
    "HTML before a ZIP": b"<script>alert(1)</script>" + make_zip(),
    "program": b"MZ" + bytes(100),
    "ELF": b"\x7fELF" + bytes(100),
    "script": b"#!/bin/sh\nexit",
    "one frame of MP3": FRAME,
    "sync word alone": b"\xff\xfb" + b"<script>alert(1)</script>",
    "QuickTime": ftyp(b"qt  "),
    "HEIC": ftyp(b"heic"),
    "Matroska": b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
    "AVI": b"RIFF\x24\0\0\0AVI LIST" + bytes(20),
    "Theora": OGG + b"\x80theora",
    "truncated signature": b"%PD",
    "RAR": b"Rar!\x1a\x07\0",
    "text": b"PK is not enough",
    "SVG with entities": b'<!DOCTYPE svg [<!ENTITY a "aa">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>',
    "half an SVG": SVG[:80],
}


@pytest.fixture
async def ada(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada")


@pytest.mark.parametrize("kind", FILES)
async def test_type_is_decided_by_content_and_files_are_downloads(
    client: httpx2.AsyncClient, ada: dict[str, str], kind: str
) -> None:
    data, media_type = FILES[kind]
    suffix = kind.partition(" ")[0]
    answer = await send(client, ada, data, "Résumé.png.html")
    assert answer.status_code == 201
    made = answer.json()
    assert (made["media_type"], made["width"], made["height"], made["variants"]) == (media_type, None, None, [])
    assert (made["file_name"], made["bytes"]) == ("Résumé.png.html", len(data))
    assert made["url"].endswith(f".{suffix}")
    served = await client.get(local(made["url"]))
    assert (served.content, served.headers["content-type"]) == (data, media_type)
    assert served.headers["content-disposition"] == f"attachment; filename*=utf-8''R%C3%A9sum%C3%A9.png.html.{suffix}"
    assert served.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in served.headers["content-security-policy"]
    assert "default-src 'none'" in served.headers["content-security-policy"]
    assert (await send(client, ada, data, "again")).status_code == 200
    assert (await client.delete(answer.headers["location"], headers=ada)).status_code == 204
    assert (await client.get(local(made["url"]))).status_code == 404


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("file_name", ["a.pdf", "a.svg", "a.mp3"])
async def test_other_content_is_refused_with_any_name(
    client: httpx2.AsyncClient, ada: dict[str, str], settings: Settings, name: str, file_name: str
) -> None:
    answer = await send(client, ada, HOSTILE[name], file_name)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "file"])
    assert not settings.media_dir.exists() or list(settings.media_dir.iterdir()) == []


async def test_polyglot_is_served_as_what_it_begins_with(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    both = b"%PDF-1.7\n" + b"<script>alert(1)</script>" + make_zip()
    made = (await send(client, ada, both, "a.html")).json()
    served = await client.get(local(made["url"]))
    assert served.headers["content-type"] == "application/pdf"
    assert served.headers["content-disposition"].startswith("attachment")
    image = (await send(client, ada, png(3, 2) + make_zip(), "a.zip")).json()
    assert image["media_type"] == "image/png"
    assert b"PK\x05\x06" not in (await client.get(local(image["url"]))).content


async def test_archive_that_expands_to_gigabytes_is_stored_and_never_opened(
    client: httpx2.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = make_zip(bytes(50_000_000))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_arguments: pytest.fail("opened"))
    assert len(bomb) < 100_000
    assert (await send(client, ada, bomb)).json()["bytes"] == len(bomb)


async def test_drawing_is_sanitised_displayed_and_sandboxed(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    made = (await send(client, ada, SVG, "drawing.png", alt="A square")).json()
    assert (made["media_type"], made["width"], made["height"]) == ("image/svg+xml", 30, 20)
    served = await client.get(local(made["url"]))
    assert b"evil" not in served.content
    assert served.headers["content-type"] == "image/svg+xml"
    assert "content-disposition" not in served.headers
    assert served.headers["content-security-policy"].endswith("; sandbox")
    assert (await send(client, ada, served.content)).status_code == 200, "sanitising again changes nothing"
    post = {"title": "Square", "content": f"![A square]({local(made['url'])})"}
    await client.post("/api/v1/posts", json=post, headers=ada)
    assert 'width="30" height="20"' in (await client.get("/posts/square")).text


RANGES = {
    "bytes=0-3": (206, "bytes 0-3/1000", slice(0, 4)),
    "bytes=0-0": (206, "bytes 0-0/1000", slice(0, 1)),
    "bytes=990-": (206, "bytes 990-999/1000", slice(990, None)),
    "bytes=-10": (206, "bytes 990-999/1000", slice(990, None)),
    "bytes=-5000": (206, "bytes 0-999/1000", slice(0, None)),
    "bytes=500-5000": (206, "bytes 500-999/1000", slice(500, None)),
    "bytes=1000-": (416, "bytes */1000", None),
    "bytes=5000-6000": (416, "bytes */1000", None),
}


@pytest.fixture
async def video(client: httpx2.AsyncClient, ada: dict[str, str]) -> tuple[str, bytes]:
    """Return the path of an uploaded video of 1000 bytes, and its content."""
    data = (ftyp(b"isom") + bytes(range(256)) * 4)[:1000]
    return local((await send(client, ada, data, "talk.mp4")).json()["url"]), data


@pytest.mark.parametrize("requested", RANGES)
async def test_players_read_ranges(client: httpx2.AsyncClient, video: tuple[str, bytes], requested: str) -> None:
    path, data = video
    status, content_range, part = RANGES[requested]
    answer = await client.get(path, headers={"Range": requested})
    assert (answer.status_code, answer.headers["content-range"]) == (status, content_range)
    if part is not None:
        assert answer.content == data[part]
        assert answer.headers["content-length"] == str(len(data[part]))
        assert answer.headers["content-type"] == "video/mp4"


async def test_ranges_depend_on_the_validator(client: httpx2.AsyncClient, video: tuple[str, bytes]) -> None:
    path, data = video
    whole = await client.get(path)
    assert (whole.headers["accept-ranges"], whole.content) == ("bytes", data)
    etag = whole.headers["etag"]
    for condition, status in ((etag, 206), ('"other"', 200)):
        assert (await client.get(path, headers={"Range": "bytes=0-3", "If-Range": condition})).status_code == status
    head = await client.head(path)
    assert (head.headers["content-length"], head.headers["accept-ranges"], head.content) == ("1000", "bytes", b"")
    assert (await client.get(path, headers={"If-None-Match": etag, "Range": "bytes=0-3"})).status_code == 304
    several = await client.get(path, headers={"Range": "bytes=0-1,10-11"})
    assert several.headers["content-type"].startswith("multipart/byteranges")


async def test_limits_of_images_and_of_other_files_differ(settings: Settings, ada: dict[str, str]) -> None:
    small = settings.model_copy(update={"max_upload_bytes": 100_000, "max_file_bytes": 300_000})
    async with running(create_app(small)) as client:
        assert (await send(client, ada, b"%PDF-" + bytes(200_000))).status_code == 201
        assert (await send(client, ada, b"%PDF-" + bytes(300_000))).status_code == 413
        refused = await send(client, ada, b"\x89PNG" + bytes(200_000))
        assert (refused.status_code, "100000" in refused.json()["detail"]) == (413, True)


@pytest.fixture
def bucket() -> Iterator[BucketServer]:
    with BucketServer() as started:
        yield started


async def test_files_are_stored_in_a_bucket_in_blocks(settings: Settings, ada: dict[str, str], bucket: BucketServer) -> None:
    here = settings.model_copy(update={"media_bucket": SecretStr(bucket.url)})
    there = here.model_copy(update={"media_dir": settings.media_dir.parent / "there"})
    data = ftyp(b"isom") + bytes(12_000_000)
    async with running(create_app(here)) as one, running(create_app(there)) as other:
        made = (await send(one, ada, data, "talk.mp4")).json()
        assert len(bucket.names()) == 1
        assert (await send(one, ada, data)).status_code == 200
        part = await other.get(local(made["url"]), headers={"Range": "bytes=-4"})
        assert (part.status_code, part.headers["content-range"]) == (206, f"bytes {len(data) - 4}-{len(data) - 1}/{len(data)}")
        assert (await other.get(local(made["url"]))).content == data


async def test_files_that_a_post_links_to_stay_and_are_checked(
    client: httpx2.AsyncClient, ada: dict[str, str], settings: Settings, ctx: Context
) -> None:
    made = (await send(client, ada, b"%PDF-1.7", "plan.pdf")).json()
    name = local(made["url"]).removeprefix("/media/")
    assert await check_site(ctx) == []
    post = {"title": "Plan", "content": f"[The plan]({local(made['url'])})"}
    await client.post("/api/v1/posts", json=post, headers=ada)
    assert (await client.delete(f"{MEDIA}/{made['id']}", headers=ada)).status_code == 204
    assert (await client.get(local(made["url"]))).status_code == 200, "the post still links to it"
    (settings.media_dir / name).unlink()
    assert ["missing" in str(fault) for fault in await check_site(ctx)] == [True]


async def test_files_are_in_backups(settings: Settings, author: Context, tmp_path: Path) -> None:
    item, _ = await media.upload(author, io.BytesIO(b"%PDF-1.7"), NewMedia(file_name="plan.pdf"))
    backup = tmp_path / "a.backup"
    assert create_backup(settings, backup).images == 1
    (settings.media_dir / item.name).unlink()
    with archive.open_archive(backup) as opened:
        FileSystemStorage(settings.media_dir).put(item.name, cast(BinaryIO, opened.open_part(f"media/{item.name}")))
    assert (settings.media_dir / item.name).read_bytes() == b"%PDF-1.7"
