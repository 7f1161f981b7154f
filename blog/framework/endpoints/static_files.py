"""Static files, at URLs with a digest of the content, and uploaded files, named by a digest."""

import re
from pathlib import Path

import anyio.to_thread
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response

from blog.domain.media import media, stored_files
from blog.domain.media.file_types import FILE_TYPES, FileKind
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.request.context import request_context
from blog.framework.request.state import app_state
from blog.framework.response.conditional import is_not_modified
from blog.framework.templating import assets
from blog.framework.templating.content_encoding import negotiate

IMMUTABLE_CACHE_CONTROL = "public, max-age=31536000, immutable"
# Feed readers in a browser embed our images in their pages. Nothing else may be embedded.
CROSS_ORIGIN_HEADERS = {"Cross-Origin-Resource-Policy": "cross-origin"}
_MEDIA_NAME = re.compile(r"[0-9a-f]{64}\.([a-z0-9]{3,4})")
# An uploaded file that is opened by itself runs no script, loads nothing and belongs to no origin.
_SANDBOX = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_DISPLAYED_KINDS = (FileKind.IMAGE, FileKind.DRAWING)


class StaticFile(Endpoint):
    """/static/{name}: a file of the folder `static`. A URL with a digest is immutable."""

    async def get(self, request: Request) -> Response:
        """Return the file or 304. Raises HTTPException 404."""
        match = assets.resolve(request.path_params["name"])
        if match is None:
            raise HTTPException(404)
        asset, is_exact = match
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
    """/media/{name}: an uploaded file, named by the digest of its content. Images are displayed, all others downloaded."""

    async def get(self, request: Request) -> Response:
        """Return the file or the requested ranges of it, 304, or a redirect. Raises HTTPException 404, also for invalid names."""
        name = request.path_params["name"]
        match = _MEDIA_NAME.fullmatch(name)
        if match is None or match[1] not in FILE_TYPES:
            raise HTTPException(404)
        location = await stored_files.locate(app_state(request).site.storage, name)
        match location:
            case None:
                raise HTTPException(404)
            case Path():
                digest, _, suffix = name.partition(".")
                headers = {"Cache-Control": IMMUTABLE_CACHE_CONTROL, "ETag": f'"{digest}"', **CROSS_ORIGIN_HEADERS}
                headers["Content-Security-Policy"] = _SANDBOX
                if is_not_modified(request, headers["ETag"]):
                    return Response(status_code=304, headers=headers)
                # Not from the system's MIME table: browsers do not display an image with a wrong type.
                found = FILE_TYPES[suffix]
                is_displayed = found.kind in _DISPLAYED_KINDS
                download_name = None if is_displayed else await media.download_name(request_context(request), name)
                return FileResponse(location, headers=headers, media_type=found.media_type, filename=download_name)
            case _:
                return RedirectResponse(location, 307)
