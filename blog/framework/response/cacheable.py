"""Public documents that clients cache and revalidate."""

import datetime as dt
import hashlib

from starlette.requests import Request
from starlette.responses import Response

from blog.framework.response.conditional import is_not_modified, is_not_modified_since, last_modified_header


def cacheable_response(
    request: Request,
    content: bytes,
    media_type: str,
    *,
    cache_control: str = "no-cache",
    last_modified: dt.datetime | None = None,
) -> Response:
    """Return the content, or 304 if the client has it.

    content: the body. media_type: without charset, which is added where needed.
    cache_control: by default caches must revalidate each time.
    last_modified: time of the last change of any part of the content; must never go back.

    The ETag is a digest of the content. It is weak, because the content can be sent compressed.
    """
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": cache_control,
        "Vary": "Accept-Encoding",
        "Access-Control-Allow-Origin": "*",  # without credentials: the content is the same for all clients
    }
    if last_modified is not None:
        headers["Last-Modified"] = last_modified_header(last_modified)
    if is_not_modified(request, tag) or (last_modified is not None and is_not_modified_since(request, last_modified)):
        return Response(status_code=304, headers=headers)
    charset = "; charset=utf-8" if media_type.endswith("xml") else ""
    return Response(content, 200, headers, media_type + charset)
