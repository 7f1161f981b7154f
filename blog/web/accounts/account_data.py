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
from blog.framework.identity.authentication import clear_session_cookie
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form, read_form
from blog.framework.request.state import app_state
from blog.import_export import account_export
from blog.schemas.accounts import AccountDeletion, PostsOnDeletion
from blog.web.rendering.page import render_error, render_invalid, render_page
from blog.web.rendering.redirects import redirect_after_post

_MAX_IN_MEMORY_BYTES = 1_000_000
_CHUNK_BYTES = 65_536


class ExportPage(Endpoint):
    """/account/export — a copy of what one wrote."""

    async def get(self, request: Request) -> Response:
        """A ZIP file, written to disk before it is sent: its size is known, and a slow client holds no connection."""
        ctx = require_user(request)
        user = await accounts.current(ctx)
        file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(_MAX_IN_MEMORY_BYTES)  # noqa: SIM115 (the answer closes it)
        try:
            await account_export.write_archive(ctx, app_state(request).urls, file)
        except BaseException:
            file.close()
            raise
        return _TemporaryFileResponse(file, f"{user.username}-{ctx.now:%Y-%m-%d}.zip")


class DeleteAccountPage(Endpoint):
    """/account/delete — the end of an account."""

    async def get(self, request: Request) -> Response:
        """What will happen, and a form that asks for it."""
        require_user(request)
        return render_page(request, "accounts/delete.html", form=Form({"posts": PostsOnDeletion.KEEP.value}))

    async def post(self, request: Request) -> Response:
        """End it; on to a last word."""
        ctx = require_user(request)
        form = await read_form(request)
        departure = form.parse(AccountDeletion)
        if departure is None:
            return render_invalid(request, "accounts/delete.html", form)
        try:
            await app_state(request).rate_limits.check_sign_in(request, ctx.require_actor().username)
            await account_deletion.delete_account(ctx, departure)
        except BlogError as error:
            return render_error(request, "accounts/delete.html", form, error)
        response = redirect_after_post(request, "web:account_deleted")
        clear_session_cookie(response, ctx.site.settings)
        return response


class AccountDeletedPage(Endpoint):
    """/account/deleted — that it is done."""

    async def get(self, request: Request) -> Response:
        """The last word."""
        request_context(request)
        return render_page(request, "accounts/deleted.html")


class _TemporaryFileResponse(StreamingResponse):
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
        while chunk := await anyio.to_thread.run_sync(self._file.read, _CHUNK_BYTES):
            yield chunk
