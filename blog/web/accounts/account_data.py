"""Exporting the account's data, and deleting the account."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from blog.domain.accounts import account_deletion, accounts
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.identity.authentication import clear_session_cookie
from blog.framework.request.context import request_context, require_user
from blog.framework.request.forms import Form
from blog.framework.request.state import app_state
from blog.import_export import account_export
from blog.schemas.accounts import AccountDeletion, PostsOnDeletion
from blog.web.rendering.form_page import FormPage
from blog.web.rendering.page import render_page
from blog.web.rendering.redirects import redirect_after_post

_MAX_IN_MEMORY_BYTES = 1_000_000
_CHUNK_BYTES = 65_536


class ExportPage(Endpoint):
    """/account/export: download the account's data."""

    async def get(self, request: Request) -> Response:
        """Return a ZIP file, written to disk first: its size is known, and slow clients use no database connection."""
        ctx = require_user(request)
        user = await accounts.current(ctx)
        file: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(_MAX_IN_MEMORY_BYTES)  # noqa: SIM115 (closed by the response)
        try:
            await account_export.write_archive(ctx, app_state(request).urls, file)
        except BaseException:
            file.close()
            raise
        return _TemporaryFileResponse(file, f"{user.username}-{ctx.now:%Y-%m-%d}.zip")


class DeleteAccountPage(FormPage[AccountDeletion]):
    """/account/delete: delete the account."""

    template, model = "accounts/delete.html", AccountDeletion

    def initial_form(self) -> Form:
        return Form({"posts": PostsOnDeletion.KEEP.value})

    async def submit(self, data: AccountDeletion) -> Response:
        """Verify the password, delete the account and sign out."""
        await app_state(self.request).rate_limits.check_sign_in(self.request, self.ctx.require_actor().username)
        await account_deletion.delete_account(self.ctx, data)
        response = redirect_after_post(self.request, "web:account_deleted")
        clear_session_cookie(response, self.ctx.site.settings)
        return response


class AccountDeletedPage(Endpoint):
    """/account/deleted: confirmation that the account was deleted."""

    async def get(self, request: Request) -> Response:
        """Show the confirmation."""
        request_context(request)
        return render_page(request, "accounts/deleted.html")


class _TemporaryFileResponse(StreamingResponse):
    """A response that streams a temporary file and closes it, also if the client disconnects."""

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
