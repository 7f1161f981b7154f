"""Documents that the code makes of itself: the same until the next start, so that clients need to fetch them once."""

import hashlib

from starlette.requests import Request
from starlette.responses import Response

from blog.http.conditional import is_fresh


def as_document(request: Request, content: bytes, media_type: str) -> Response:
    """The content, or 304 when the client has it; caches may keep it and ask again each time."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if is_fresh(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, media_type)
