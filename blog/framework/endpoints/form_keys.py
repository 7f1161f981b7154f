"""One-time keys of forms: a form that is sent twice creates one item, and the repeat is redirected to it.

Each rendered form has another key, so the same text in a form that was loaded again is another item.
"""

import json
import re
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from blog.domain.core.context import Context
from blog.framework.endpoints.idempotency import RequestKey, fingerprint_request, run_with_key
from blog.framework.identity.authentication import client_key
from blog.framework.request.forms import FORM_KEY, SECRET_FIELDS, Form

_KEY_PATTERN = re.compile(r"[\w-]{16,64}", re.ASCII)
# Bookkeeping of the browser, which may differ between two submissions of one text.
_IGNORED_FIELDS = SECRET_FIELDS | {FORM_KEY, "autosave", "loaded_at"}


async def run_once(request: Request, ctx: Context, form: Form, create: Callable[[], Awaitable[Response]]) -> Response:
    """Return the response of `create`, or a redirect to its result if the client sent this form within the last 24 hours.

    Other values under the same key, as after the browser's "Back", are another item. A form without a valid key always creates
    an item.

    Raises whatever `create` raises; then nothing is stored.
    """
    submitted = form.values.get(FORM_KEY, "")
    if not _KEY_PATTERN.fullmatch(submitted):
        return await create()
    values = sorted((name, value) for name, value in form.values.items() if name not in _IGNORED_FIELDS)
    fingerprint = fingerprint_request(ctx, request, json.dumps(values).encode())
    key = RequestKey(client_key(request), f"form:{submitted}:{fingerprint}", fingerprint)

    def redirect(response: Response) -> Response:
        # Only the address: the response may contain a secret or a cookie.
        return RedirectResponse(response.headers.get("location", request.url.path), 303)

    return await run_with_key(ctx, key, create, to_store=redirect)
