"""Files for browsers: our own, whose addresses carry a digest, and images, whose names are one."""

import re
from pathlib import Path

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from blog.domain.media import media
from blog.domain.media.image_processing import MEDIA_TYPES
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.state import app_state
from blog.framework.response.conditional import is_not_modified
from blog.framework.templating import assets
from blog.framework.templating.content_encoding import negotiate

IMMUTABLE_CACHE_CONTROL = "public, max-age=31536000, immutable"
# Readers of feeds that run in a browser show our images on pages of theirs; all else stays with us.
CROSS_ORIGIN_HEADERS = {"Cross-Origin-Resource-Policy": "cross-origin"}
_MEDIA_NAME = re.compile(r"[0-9a-f]{64}\.(png|jpg|webp|gif|avif)")


class StaticFile(Endpoint):
    """/static/{name} — a file of the folder `static`. A name with a digest names one content, which never changes."""

    async def get(self, request: Request) -> Response:
        """The file, a 304 or a 404."""
        found = assets.resolve(request.path_params["name"])
        if found is None:
            raise HTTPException(404)
        asset, is_exact = found
        headers = {
            "Cache-Control": IMMUTABLE_CACHE_CONTROL if is_exact else "no-cache",
            "Vary": "Accept-Encoding",
            "ETag": f'"{asset.digest}"',
        }
        if is_not_modified(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        coding = negotiate(request.headers.get("accept-encoding", "").encode("latin-1"))
        body = await anyio.to_thread.run_sync(asset.compressed, coding) if coding else None
        if coding and body is not None:
            name = coding.decode()
            headers |= {"Content-Encoding": name, "ETag": f'"{asset.digest}-{name}"'}
        return Response(asset.content if body is None else body, headers=headers, media_type=asset.media_type)


class MediaFile(Endpoint):
    """/media/{name} — an image, by the digest of its content."""

    async def get(self, request: Request) -> Response:
        """The file; 404 for any name that we would not have given."""
        name = request.path_params["name"]
        if not _MEDIA_NAME.fullmatch(name):
            raise HTTPException(404)
        found = await media.locate(app_state(request).site.storage, name)
        match found:
            case None:
                raise HTTPException(404)
            case Path():
                digest, _, suffix = name.partition(".")
                headers = {"Cache-Control": IMMUTABLE_CACHE_CONTROL, "ETag": f'"{digest}"', **CROSS_ORIGIN_HEADERS}
                if is_not_modified(request, headers["ETag"]):
                    return Response(status_code=304, headers=headers)
                # Not by what the machine knows of suffixes: with a wrong type browsers show nothing.
                return FileResponse(found, headers=headers, media_type=MEDIA_TYPES[suffix])
            case _:
                return RedirectResponse(found, 307)
