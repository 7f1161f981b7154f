"""Documents that are the same for everybody: clients fetch them once, and ask again whether they still are as they were."""

import datetime as dt
import hashlib
from email.utils import format_datetime

from starlette.requests import Request
from starlette.responses import Response

from blog.framework.response.conditional import is_not_modified, is_not_modified_since


def cacheable_response(
    request: Request,
    content: bytes,
    media_type: str,
    *,
    cache_control: str = "no-cache",
    last_modified: dt.datetime | None = None,
) -> Response:
    """The content, or 304 when the client has it; by default caches keep it and ask again each time.

    The ETag is the digest of the content, and weak: it may go out compressed, in other bytes. `modified` is when anything in
    it last changed: it must never go back.
    """
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": cache_control}
    if last_modified is not None:
        headers["Last-Modified"] = format_datetime(last_modified, usegmt=True)
    if is_not_modified(request, tag) or (last_modified is not None and is_not_modified_since(request, last_modified)):
        return Response(status_code=304, headers=headers)
    charset = "; charset=utf-8" if media_type.endswith("xml") else ""  # Starlette adds it to text/… alone; JSON has no other
    return Response(content, 200, headers, media_type + charset)
