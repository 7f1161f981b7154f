"""Bookmark cards: the JSON endpoint that reads a page of another site."""

from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from blog.delivery.http_client import HttpClient, Limits
from blog.delivery.transport import OutgoingRequestError, OutgoingTimeoutError
from blog.domain.media import bookmarks
from blog.domain.media.bookmarks import Bookmark, Fetch, FetchedResource
from blog.errors import UpstreamFailed, UpstreamTimeout
from blog.framework.endpoints.endpoint import ApiEndpoint
from blog.framework.endpoints.openapi_operations import operation
from blog.framework.identity.authentication import client_key
from blog.framework.request.context import require_user
from blog.framework.request.parsing import read_json
from blog.framework.request.state import app_state
from blog.framework.response.json import json_response
from blog.schemas.accounts import Scope
from blog.schemas.bookmarks import BookmarkOut, NewBookmark
from blog.settings import Settings
from blog.text.bookmarks import bookmark_markdown

PAGE: Final = Limits(timeout=5, max_bytes=1_000_000, truncate=True, content_types=frozenset({"text/html"}), max_redirects=3)
IMAGE: Final = Limits(
    timeout=5,
    max_bytes=bookmarks.MAX_IMAGE_BYTES,
    content_types=frozenset(f"image/{name}" for name in ("png", "jpeg", "jpg", "webp", "gif", "avif")),
    max_redirects=3,
)
COST: Final = 10
"""Requests that a bookmark counts as: it requests two addresses, and decodes an image."""


class BookmarkList(ApiEndpoint):
    """/api/v1/bookmarks: make a bookmark card."""

    @operation("Make a bookmark card", body=NewBookmark, responses={200: BookmarkOut}, scope=Scope.POSTS_WRITE, errors={502, 504})
    async def post(self, request: Request) -> Response:
        """Read title, description and image of a web page, once. The image is stored as an upload of yours.

        Only public addresses are requested: within 5 seconds, with at most 3 redirects, and 1 MB of HTML. The image has at
        most 5 MB; the card has none if it fails, or if the token lacks the scope `media:write`. Counts as 10 further requests.
        """
        made: Bookmark = getattr(request.state, "bookmark", None) or await _make(request)
        urls = app_state(request).urls
        path = urls.path("media", name=made.image.name) if made.image else ""
        return json_response(
            BookmarkOut(
                markdown=bookmark_markdown(made.url, made.title, made.description, path),
                title=made.title,
                description=made.description,
                url=made.url,
                image=urls.url("media", name=made.image.name) if made.image else None,
            )
        )

    async def prepare(self, request: Request) -> None:
        """Read the page outside of the transaction: another site can take seconds."""
        request.state.bookmark = await _make(request)


async def _make(request: Request) -> Bookmark:
    ctx = require_user(request, Scope.POSTS_WRITE)
    bookmarks.require_author(ctx)  # before the body is read
    new = await read_json(request, NewBookmark)
    await app_state(request).rate_limits.charge(request, client_key(request), COST)
    settings = ctx.site.settings
    return await bookmarks.make(ctx, new.url, fetch_page=_fetcher(settings, PAGE), fetch_image=_fetcher(settings, IMAGE))


def _fetcher(settings: Settings, limits: Limits) -> Fetch:
    client = HttpClient(settings)
    limits = replace(limits, any_port=settings.outgoing_allow_private)  # services of a local network have other ports

    async def fetch(url: str) -> FetchedResource:
        try:
            response = await client.get(url, limits)
        except OutgoingTimeoutError as error:
            raise UpstreamTimeout(str(error)) from error
        except OutgoingRequestError as error:
            raise UpstreamFailed(str(error)) from error
        if not 200 <= response.status < 300:
            raise UpstreamFailed(f"The server of the page returned status {response.status}.")
        return FetchedResource(response.url, response.headers.get("content-type", ""), response.body)

    return fetch
