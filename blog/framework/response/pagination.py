"""Keyset pagination: an opaque cursor contains the sort key of the last item, so that no query counts rows."""

import base64
import binascii

from pydantic_core import from_json, to_json
from starlette.requests import Request

from blog.domain.core.models import CursorKey
from blog.errors import FieldError, InvalidInput
from blog.framework.request.state import app_state


def encode_cursor(key: CursorKey | None) -> str | None:
    """Return the cursor for a key, or None."""
    return base64.urlsafe_b64encode(to_json(key)).rstrip(b"=").decode() if key else None


def decode_cursor(cursor: str | None) -> CursorKey | None:
    """Return the key in a cursor, or None. Raises InvalidInput for an invalid cursor."""
    if cursor is None:
        return None
    try:
        key = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        key = None
    match key:
        case [str(instant), int(number)] if not isinstance(number, bool) and abs(number) < 2**63:
            return instant, number
        case _:
            raise InvalidInput([FieldError(("query", "cursor"), "Not a valid cursor. Start without one.", "cursor")])


def next_page_url(request: Request, cursor: str) -> str:
    """Return the absolute URL of the next page: that of this page with the cursor."""
    return app_state(request).urls.public_url + str(request.url.include_query_params(cursor=cursor).replace(scheme="", netloc=""))
