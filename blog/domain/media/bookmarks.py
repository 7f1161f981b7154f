"""Bookmark cards: title, description and image of a page of another site, read once when an author asks for them."""

import functools
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

import anyio.to_thread
import structlog

from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.media import file_types, media
from blog.domain.media.models import Media
from blog.errors import BlogError, Forbidden
from blog.schemas.accounts import Scope
from blog.schemas.media import NewMedia
from blog.text.page_metadata import read_metadata

MAX_IMAGE_BYTES: Final = 5_000_000
log = structlog.stdlib.get_logger("blog.bookmarks")


@dataclass(frozen=True, slots=True)
class FetchedResource:
    """A page or an image of another site. `url` is the address after redirects, `content_type` the header field."""

    url: str
    content_type: str
    body: bytes


Fetch = Callable[[str], Awaitable[FetchedResource]]
"""Requests a URL. Raises UpstreamFailed."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A page of another site. `title` and `description` are single lines; `image` is the stored copy."""

    url: str
    title: str
    description: str
    image: Media | None


def require_author(ctx: Context) -> None:
    """Raise NotAuthenticated, or Forbidden if the scope or the role is missing."""
    if not policy.can_write_posts(ctx.require_actor(Scope.POSTS_WRITE)):
        raise Forbidden("Readers cannot make bookmark cards. Ask the owner of the blog for the author role.")


async def make(ctx: Context, url: str, *, fetch_page: Fetch, fetch_image: Fetch) -> Bookmark:
    """Read a page, and store its image as an upload of the author. Without a title the host of the page is the title.

    The image is left out if it cannot be requested, is not a bitmap, or the author may not upload images.
    Raises NotAuthenticated, Forbidden, UpstreamFailed (page).
    """
    require_author(ctx)
    page = await fetch_page(url)
    found = await anyio.to_thread.run_sync(functools.partial(read_metadata, page.body, page.content_type, page.url))
    image = None
    if found.image:
        try:
            image = await _store_image(ctx, found.image, fetch_image)
        except BlogError as error:
            log.info("bookmark without image", reason=type(error).__name__)
    return Bookmark(url, found.title or urlsplit(url).hostname or url, found.description, image)


async def _store_image(ctx: Context, url: str, fetch_image: Fetch) -> Media | None:
    media.require_uploader(ctx)  # before the request
    data = (await fetch_image(url)).body
    if not file_types.is_bitmap(data[: file_types.HEAD_BYTES]):
        return None
    file_name = unquote(urlsplit(url).path)
    item, _ = await media.upload(ctx, io.BytesIO(data), NewMedia().with_file_name(file_name))
    return item
