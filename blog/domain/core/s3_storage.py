"""Image files in an S3 bucket, shared by several machines; each caches the files that it served in a local folder."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit

import obstore
import structlog
from obstore.exceptions import BaseError
from obstore.store import S3Store

from blog.domain.core.storage import FileSystemStorage, StoredFile
from blog.observability.logging import OutageLog

log = structlog.stdlib.get_logger("blog.media")
_CONNECT_TIMEOUT, _REQUEST_TIMEOUT, _MAX_RETRIES = dt.timedelta(seconds=2), dt.timedelta(seconds=20), 1


class S3Storage:
    """Storage in an S3 bucket with a local cache. A file name is the digest of the content, so cached files never expire.

    While the bucket is unreachable, cached files are served.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """Open the bucket. `url` is `https://KEY:SECRET@HOST/BUCKET[?region=…]`, or http for a server on this machine."""
        self._local_cache = FileSystemStorage(folder)
        self._bucket = _open_bucket(url)
        self._outage = OutageLog(log, "the bucket of images cannot be reached", "the bucket of images is reachable again")

    def exists(self, name: str) -> bool:
        """Return whether the bucket has this file."""
        return self._size(name) is not None

    def put(self, name: str, data: bytes | BinaryIO) -> None:
        """Store the file. Storing it again renews its modification time."""
        if not isinstance(data, bytes):
            data.seek(0)
        with self._translate_errors():
            obstore.put(self._bucket, name, data)
        with contextlib.suppress(OSError):  # the cache is optional
            self._local_cache.put(name, data)

    def remove(self, name: str) -> None:
        """Remove the file from the bucket; other machines no longer serve their cached copies."""
        with self._translate_errors(), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._bucket, name)
        self._local_cache.remove(name)

    def list_files(self) -> Iterator[StoredFile]:
        """Yield all files of the bucket."""
        with self._translate_errors():
            for batch in obstore.list(self._bucket):
                for item in batch:
                    yield StoredFile(item["path"], item["size"], item["last_modified"])

    def locate(self, name: str) -> Path | None:
        """Return the path of the cached file, downloading it if needed. None if the bucket does not have it."""
        copy = self._local_cache.locate(name)
        try:
            if self._size(name) is None:
                return None
            if copy is None:
                self._local_cache.put_blocks(name, self._read(name))
        except OSError:
            if copy is None:
                raise
        return self._local_cache.locate(name)

    def local_path(self, name: str) -> Path | None:
        """Return the path of the cached file, or None."""
        return self._local_cache.local_path(name)

    def _size(self, name: str) -> int | None:
        with self._translate_errors(), contextlib.suppress(FileNotFoundError):
            return obstore.head(self._bucket, name)["size"]
        return None

    def _read(self, name: str) -> Iterator[bytes]:
        with self._translate_errors():
            yield from map(bytes, obstore.get(self._bucket, name).stream())

    @contextlib.contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            self._outage.failed(str(error).partition("\n")[0])
            raise OSError("the bucket of images cannot be reached") from error
        self._outage.recovered()


def _open_bucket(address: str) -> S3Store:
    parts = urlsplit(address)
    name, _, prefix = parts.path.strip("/").partition("/")
    return S3Store(
        name,
        prefix=prefix or None,
        endpoint=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
        access_key_id=unquote(parts.username or ""),
        secret_access_key=unquote(parts.password or ""),
        virtual_hosted_style_request=False,
        client_options={"allow_http": parts.scheme == "http", "connect_timeout": _CONNECT_TIMEOUT, "timeout": _REQUEST_TIMEOUT},
        retry_config={"max_retries": _MAX_RETRIES, "retry_timeout": _REQUEST_TIMEOUT},
    )
