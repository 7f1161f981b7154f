"""Files for browsers: our own, whose addresses carry a digest, and images, whose names are one."""

import re
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from blog.domain.pictures import MEDIA_TYPES
from blog.http.conditional import is_fresh
from blog.http.endpoint import Endpoint
from blog.http.folders import folder
from blog.http.services import services

IMMUTABLE = "public, max-age=31536000, immutable"
# Readers of feeds that run in a browser show our images on pages of theirs; all else stays with us.
ON_OTHER_SITES = {"Cross-Origin-Resource-Policy": "cross-origin"}
_MEDIA_NAME = re.compile(r"[0-9a-f]{64}\.(png|jpg|webp|gif|avif)")


class ImmutableFiles(StaticFiles):
    """The folder `static`. An address with `?v=…` names one content, which never changes."""

    def __init__(self) -> None:
        super().__init__(directory=folder("static"), check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, a 304 or a 404."""
        response = await super().get_response(path, scope)
        if tag := response.headers.get("etag"):
            response.headers["ETag"] = f"W/{tag}"  # the same file goes out compressed, in other bytes
        response.headers["Cache-Control"] = IMMUTABLE if b"v=" in scope["query_string"] else "no-cache"
        return response


class MediaFile(Endpoint):
    """/media/{name} — an image, by the digest of its content."""

    async def get(self, request: Request) -> Response:
        """The file; 404 for any name that we would not have given."""
        name = request.path_params["name"]
        found = services(request).site.media.locate(name) if _MEDIA_NAME.fullmatch(name) else None
        match found:
            case None:
                raise HTTPException(404)
            case Path():
                digest, _, suffix = name.partition(".")
                headers = {"Cache-Control": IMMUTABLE, "ETag": f'"{digest}"', **ON_OTHER_SITES}
                if is_fresh(request, headers["ETag"]):
                    return Response(status_code=304, headers=headers)
                # Not by what the machine knows of suffixes: with a wrong type browsers show nothing.
                return FileResponse(found, headers=headers, media_type=MEDIA_TYPES[suffix])
            case _:
                return RedirectResponse(found, 307)
