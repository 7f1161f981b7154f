"""Keyset pagination: an opaque cursor contains the sort key of the last item, so that no query counts rows."""

import base64
import binascii
import hashlib

from pydantic_core import from_json, to_json
from starlette.requests import Request

from blog.domain.core.models import CursorKey
from blog.errors import FieldError, InvalidInput
from blog.framework.request.state import app_state

_FREE_PARAMETERS = frozenset({"cursor", "limit", "count"})


def list_digest(request: Request) -> str:
    """Return a digest of the path, the filters and the order of a list, to which its cursors are bound."""
    parameters = sorted(item for item in request.query_params.multi_items() if item[0] not in _FREE_PARAMETERS)
    return hashlib.blake2b(to_json([request.url.path, parameters]), digest_size=6).hexdigest()


def encode_cursor(key: CursorKey | None, digest: str = "") -> str | None:
    """Return the cursor for a key, or None. digest: binds the cursor to a list (`list_digest`)."""
    if key is None:
        return None
    return base64.urlsafe_b64encode(to_json([*key, digest] if digest else key)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, digest: str = "") -> CursorKey | None:
    """Return the key in a cursor, or None. Raises InvalidInput for an invalid cursor and for one of another list."""
    if cursor is None:
        return None
    try:
        key = from_json(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        key = None
    match key:
        case [str(sort_key), int(number), *bound] if not isinstance(number, bool) and abs(number) < 2**63:
            if bound == ([digest] if digest else []):
                return sort_key, number
            message = "This cursor belongs to a list with other filters or another order. Start without one."
            raise InvalidInput([FieldError(("query", "cursor"), message, "cursor")])
        case _:
            raise InvalidInput([FieldError(("query", "cursor"), "Not a valid cursor. Start without one.", "cursor")])


def next_page_url(request: Request, cursor: str) -> str:
    """Return the absolute URL of the next page: that of this page with the cursor."""
    return app_state(request).urls.public_url + str(request.url.include_query_params(cursor=cursor).replace(scheme="", netloc=""))
