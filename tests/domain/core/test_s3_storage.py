"""Images in a bucket: a real S3 server, and two machines with one folder each."""

import asyncio
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from blog.app import create_app
from blog.domain.core.context import Context
from blog.domain.core.s3_storage import S3Storage
from blog.domain.core.site import open_site
from blog.domain.media import image_processing, media, stored_files
from blog.errors import Unavailable
from blog.ops.backup import create_backup
from blog.ops.integrity_check import check_site
from blog.ops.restore import restore_backup
from blog.schemas.media import NewMedia
from blog.settings import Settings
from tests.api.test_media import SMALL, WIDE, local, send
from tests.conftest import Bearer, running
from tests.support.bucket import BucketServer
from tests.support.configuration import make_settings

pytestmark = pytest.mark.sqlite


@pytest.fixture
def server() -> Iterator[BucketServer]:
    with BucketServer() as started:
        yield started


@pytest.fixture
def settings(settings: Settings, server: BucketServer, tmp_path: Path) -> Settings:
    return settings.model_copy(update={"media_bucket": SecretStr(server.url), "media_dir": tmp_path / "here"})


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """Return the settings of another machine with the same blog and the same bucket."""
    return settings.model_copy(update={"media_dir": tmp_path / "there"})


@pytest.fixture
async def ada(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada")


async def test_upload_to_one_machine_is_served_by_the_others_until_deleted(
    settings: Settings, elsewhere: Settings, server: BucketServer, ada: dict[str, str]
) -> None:
    async with running(create_app(settings)) as here, running(create_app(elsewhere)) as there:
        made = (await send(here, ada, WIDE, alt="wide")).json()
        paths = [local(file["url"]) for file in (made, *made["variants"])]
        assert server.names() == {f"of-a-blog/{path.removeprefix('/media/')}" for path in paths}
        for path in paths:
            one, other, again = await here.get(path), await there.get(path), await there.get(path)
            assert one.content == other.content == again.content
            assert hashlib.sha256(other.content).hexdigest() in path
            for name in ("etag", "cache-control", "content-type", "content-length", "cross-origin-resource-policy"):
                assert one.headers[name] == other.headers[name]
            part = await there.get(path, headers={"Range": "bytes=1-3"})
            assert (part.status_code, part.content) == (206, one.content[1:4])
            known = await there.get(path, headers={"If-None-Match": one.headers["etag"]})
            assert (known.status_code, known.content) == (304, b"")
        assert (await there.delete(f"/api/v1/media/{made['id']}", headers=ada)).status_code == 204
        assert server.names() == set()
        for client in (here, there):
            assert [(await client.get(path)).status_code for path in paths] == [404] * 3, "although one has copies"


async def test_during_a_bucket_outage_cached_files_are_served_and_uploads_refused(
    settings: Settings, elsewhere: Settings, server: BucketServer, ada: dict[str, str]
) -> None:
    async with running(create_app(settings)) as here, running(create_app(elsewhere)) as there:
        path = local((await send(here, ada)).json()["url"])
        with capture_logs() as lines:
            server.stop()
            assert (await here.get(path)).status_code == 200
            answers = [await there.get(path), await send(here, ada, WIDE)]
            assert [answer.status_code for answer in answers] == [503, 503]
            assert all("127.0.0.1" not in answer.text.replace("127.0.0.1:8000", "") for answer in answers)
            assert (await here.get("/api/v1/media", headers=ada)).json()["items"][1:] == [], "no row without its file"
            server.start()
            assert (await send(here, ada)).status_code == 200
            assert (await there.get(path)).status_code == 200
        said = [line["event"] for line in lines if "bucket" in line["event"]]
        assert sorted(set(said)) == ["the bucket of images cannot be reached", "the bucket of images is reachable again"]
        assert len(said) == 4, "each machine once"


async def test_bucket_is_checked_and_cleaned_like_a_folder(settings: Settings, author: Context) -> None:
    store = author.site.storage
    assert isinstance(store, S3Storage)
    image, _ = await media.upload(author, io.BytesIO(WIDE), NewMedia(alt=""))
    name, *copies = image.file_names
    assert await check_site(author) == []
    assert stored_files.image_size(store, name) == (1000, 10)
    await asyncio.to_thread(store.remove, name)
    (fault,) = await check_site(author)
    assert name in str(fault)
    assert await asyncio.to_thread(store.exists, copies[0])


async def test_backup_reports_external_images_and_restore_fills_a_bucket(
    settings: Settings, server: BucketServer, author: Context, tmp_path: Path
) -> None:
    report = await asyncio.to_thread(create_backup, settings, tmp_path / "bucket.backup")
    assert report.images == 0
    assert any("MEDIA_BUCKET" in warning for warning in report.warnings)
    in_folder = settings.model_copy(update={"media_bucket": None, "media_dir": tmp_path / "folder"})
    async with open_site(in_folder) as site:
        image = image_processing.reencode(SMALL)
        await asyncio.to_thread(stored_files.store, site.storage, [image])
    report = await asyncio.to_thread(create_backup, in_folder, tmp_path / "folder.backup")
    assert (report.images, report.warnings) == (1, ())
    other = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path / 'other' / 'blog.db'}"})
    assert (await asyncio.to_thread(restore_backup, other, tmp_path / "folder.backup")).images == 1
    assert server.names() == {f"of-a-blog/{image.name}"}


async def test_wrong_bucket_is_unavailable(settings: Settings, server: BucketServer) -> None:
    wrong = settings.model_copy(update={"media_bucket": SecretStr(server.url.replace("/images/", "/nothing/"))})
    async with open_site(wrong) as site:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(stored_files.store, site.storage, [image_processing.reencode(SMALL)])
        with pytest.raises(OSError, match="bucket"):
            list(site.storage.list_files())


@pytest.mark.parametrize(
    "value",
    ["s3://key:secret@host/bucket", "https://host/bucket", "https://key:secret@host/", "https://key@host/bucket", "bucket"],
)
def test_bucket_url_is_validated(value: str) -> None:
    with pytest.raises(ValidationError) as error:
        make_settings(media_bucket=value)
    assert "https://KEY:SECRET@" in str(error.value)
    assert "secret@host" not in str(error.value).replace("KEY:SECRET@", "")


def test_missing_package_is_reported_with_an_installation_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.settings.importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"starlette-blog\[s3\]"):
        make_settings(media_bucket="https://key:secret@host/bucket")
