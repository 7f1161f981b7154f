"""Pages by which people take their data with them, and go."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from blog.domain.accounts import account_deletion, accounts
from blog.errors import BlogError
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_cookie
from blog.framework.request.context import context, signed_in
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import services
from blog.import_export import account_export
from blog.schemas.accounts import Departure, PostsLeft
from blog.web.rendering.page import invalid, page, refused
from blog.web.rendering.redirects import see_other

_IN_MEMORY = 1_000_000
_CHUNK = 65_536


class ExportPage(Endpoint):
    """/account/export — a copy of what one wrote."""

    async def get(self, request: Request) -> Response:
        """A ZIP file, written to disk before it is sent: its size is known, and a slow client holds no connection."""
        ctx = signed_in(request)
        user = await accounts.me(ctx)
        file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (the answer closes it)
        try:
            await account_export.write(ctx, services(request).links, file)
        except BaseException:
            file.close()
            raise
        return _Download(file, f"{user.username}-{ctx.now:%Y-%m-%d}.zip")


class DeparturePage(Endpoint):
    """/account/delete — the end of an account."""

    async def get(self, request: Request) -> Response:
        """What will happen, and a form that asks for it."""
        signed_in(request)
        return page(request, "accounts/delete.html", form=Form({"posts": PostsLeft.STAY.value}))

    async def post(self, request: Request) -> Response:
        """End it; on to a last word."""
        ctx = signed_in(request)
        form = await read_form(request)
        departure = form.parse(Departure)
        if departure is None:
            return invalid(request, "accounts/delete.html", form)
        try:
            await services(request).rate_limits.sign_in(request, ctx.signed_in().username)
            await account_deletion.leave(ctx, departure)
        except BlogError as error:
            return refused(request, "accounts/delete.html", form, error)
        response = see_other(request, "web:account_deleted")
        clear_cookie(response, ctx.site.settings)
        return response


class FarewellPage(Endpoint):
    """/account/deleted — that it is done."""

    async def get(self, request: Request) -> Response:
        """The last word."""
        context(request)
        return page(request, "accounts/deleted.html")


class _Download(StreamingResponse):
    """A file that exists only for this answer, and is closed however it ends."""

    def __init__(self, file: SpooledTemporaryFile[bytes], name: str) -> None:
        self._file = file
        size = file.seek(0, 2)
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
            "Content-Length": str(size),
            "Cache-Control": "no-store",
        }
        super().__init__(self._chunks(), headers=headers, media_type="application/zip")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            await super().__call__(scope, receive, send)

    async def _chunks(self) -> AsyncIterator[bytes]:
        self._file.seek(0)
        while chunk := await anyio.to_thread.run_sync(self._file.read, _CHUNK):
            yield chunk
