"""Choose the storage backend for image files."""

from blog.domain.core.storage import FileSystemStorage, Storage
from blog.settings import Settings


def open_storage(settings: Settings) -> Storage:
    """Return the storage that the settings describe. Does not connect: a bucket may be unreachable at the start."""
    if settings.media_bucket is None:
        return FileSystemStorage(settings.media_dir)
    # Imported here because `obstore` is an optional dependency.
    from blog.domain.core.s3_storage import S3Storage

    return S3Storage(settings.media_bucket.get_secret_value(), settings.media_dir)
